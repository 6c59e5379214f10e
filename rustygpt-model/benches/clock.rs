//! Tokenising and rendering of given files on a plain clock, so that `scripts/bench` can run the
//! same files through another program in turn. Prints one JSON object.
//!
//! `cargo bench -p rustygpt-model --bench clock -- tokenize VOCABULARY.gguf TEXT [REPETITIONS]`
//! `cargo bench -p rustygpt-model --bench clock -- render TEMPLATE.jinja REQUEST.json [REPETITIONS]`

#![expect(clippy::print_stdout, reason = "a benchmark talks to its caller")]

use rustygpt_model::prompt::{
    ChatTemplate, RenderLimits, RenderProcess, RenderRequest, Renderer, serve_render_process,
};
use rustygpt_model::tokenizer::Tokenizer;
use rustygpt_model::weights::{ModelFiles, Source};
use serde_json::{Value, json};
use std::error::Error;
use std::time::Instant;

/// Set in the helper processes, which are this very program.
const HELPER: &str = "RUSTYGPT_BENCH_RENDER_WORKER";
const USAGE: &str = "skipped: see the head of this file";

fn main() -> Result<(), Box<dyn Error>> {
    if std::env::var_os(HELPER).is_some() {
        return Ok(serve_render_process()?);
    }
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| word != "--bench")
        .collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (what, first, second, repetitions) = match words[..] {
        [what, first, second] => (what, first, second, 3),
        [what, first, second, repetitions] => (what, first, second, repetitions.parse()?),
        _ => {
            println!("{USAGE}");
            return Ok(());
        }
    };
    let report = match what {
        "tokenize" => tokenize(first, &std::fs::read_to_string(second)?, repetitions)?,
        "render" => render(
            &std::fs::read_to_string(first)?,
            &std::fs::read(second)?,
            repetitions,
        )?,
        _ => Value::from(USAGE),
    };
    println!("{report}");
    Ok(())
}

/// What `act` returned last, and the seconds of each repetition after a first one that warms up.
fn clocked<T>(repetitions: usize, mut act: impl FnMut() -> T) -> (T, Vec<f64>) {
    let mut result = act();
    let seconds = (0..repetitions)
        .map(|_| {
            let begun = Instant::now();
            result = act();
            begun.elapsed().as_secs_f64()
        })
        .collect();
    (result, seconds)
}

fn tokenize(path: &str, text: &str, repetitions: usize) -> Result<Value, Box<dyn Error>> {
    let files = ModelFiles::open(path.as_ref())?;
    let Source::Gguf(metadata) = files.source() else {
        return Err("not a GGUF file".into());
    };
    let tokenizer = Tokenizer::from_gguf(metadata)?;
    let (ids, seconds) = clocked(repetitions, || tokenizer.encode(text));
    Ok(json!({ "tokens": ids.len(), "digest": digest(&ids), "seconds": seconds }))
}

/// FNV-1a over the ids, as `scripts/bench/peer/tokenize.cpp` computes it.
fn digest(ids: &[u32]) -> String {
    let hash = ids.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, id| {
        (hash ^ u64::from(*id)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    format!("{hash:016x}")
}

/// From the bytes of an OpenAI-shaped request to the prompt's text: here, and as the server does it,
/// by a helper process.
fn render(template: &str, request: &[u8], repetitions: usize) -> Result<Value, Box<dyn Error>> {
    let template = ChatTemplate::from_source(template, None, None)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let helper = Renderer::Process(RenderProcess::with_environment(
        std::env::current_exe()?,
        Vec::new(),
        vec![(HELPER.into(), "1".into())],
        RenderLimits::default(),
    ));
    let mut report = json!({});
    for (name, renderer) in [("in_process", &Renderer::InProcess), ("by_helper", &helper)] {
        let (text, seconds) = clocked(repetitions, || {
            let parsed = serde_json::from_slice(request)?;
            let parsed = RenderRequest::from_openai_json(&parsed)?;
            let text = runtime.block_on(renderer.render(&template, &parsed))?;
            Ok::<String, Box<dyn Error>>(text)
        });
        report[name] = json!(seconds);
        report["text"] = json!(text?);
    }
    Ok(report)
}
