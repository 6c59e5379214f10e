//! What a prompt costs before the model sees it: a request as VS Code's Copilot Chat sends it, with
//! 72 tools and some 29,000 tokens, rendered and tokenised.
//!
//! `cargo bench -p rustygpt-model --bench template [-- --sample-count 20]`. With
//! `RUSTYGPT_BENCH_VOCABULARY=FILE.gguf` a real vocabulary tokenises, else bytes do.

use divan::{Bencher, black_box};
use rustygpt_model::contract::{
    ContentPart, Input, Message, Role, TemplateOptions, Tool, ToolCall, ToolChoice,
};
use rustygpt_model::prompt::{
    ChatTemplate, RenderLimits, RenderProcess, RenderRequest, Renderer, prompt_tokens,
    serve_render_process,
};
use rustygpt_model::tokenizer::Tokenizer;
use rustygpt_model::weights::{ModelFiles, Source};
use serde_json::json;

/// Set in the helper processes, which are this very program.
const HELPER: &str = "RUSTYGPT_BENCH_RENDER_WORKER";

/// A template of the usual kind: tools as JSON in the system turn, calls and results as JSON.
const TEMPLATE: &str = r#"{%- if tools %}
<|im_start|>system
{{ messages[0].content if messages[0].role == 'system' }}

# Tools
{%- for tool in tools %}
{{ tool | tojson }}
{%- endfor %}<|im_end|>
{%- endif %}
{%- for message in messages %}
{%- if message.role == 'tool' %}
<|im_start|>user
<tool_response>
{{ message.content }}
</tool_response><|im_end|>
{%- elif message.role != 'system' or not loop.first %}
<|im_start|>{{ message.role }}
{{ message.content or '' }}
{%- for call in message.tool_calls or [] %}
<tool_call>
{"name": "{{ call.function.name }}", "arguments": {{ call.function.arguments | tojson }}}
</tool_call>
{%- endfor %}<|im_end|>
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
<|im_start|>assistant
{% endif %}"#;

fn main() -> std::io::Result<()> {
    if std::env::var_os(HELPER).is_some() {
        return serve_render_process();
    }
    divan::main();
    Ok(())
}

fn message(role: Role, text: String) -> Message {
    Message {
        role,
        content: vec![ContentPart::Text(text)],
        name: None,
        tool_calls: Vec::new(),
        tool_call_id: None,
    }
}

fn prose(words: usize) -> String {
    let vocabulary = [
        "the",
        "file",
        "`src/main.rs`",
        "returns",
        "an",
        "<error>",
        "when",
        "it's",
    ];
    (0..words)
        .map(|at| format!("{} ", vocabulary[at * 7 % vocabulary.len()]))
        .collect()
}

/// About 120 kB of text.
fn request() -> Input {
    let tools = (0..72)
        .map(|number| Tool {
            name: format!("tool_{number}"),
            description: Some(prose(60)),
            parameters: Some(json!({
                "type": "object",
                "properties": {
                    "filePath": { "type": "string", "description": prose(12) },
                    "startLine": { "type": "number", "description": prose(12) },
                    "explanation": { "type": "string", "description": prose(12) },
                    "items": { "type": "array", "items": { "type": "string" } },
                },
                "required": ["filePath", "explanation"],
            })),
            strict: None,
        })
        .collect();
    let mut messages = vec![message(Role::System, prose(2500))];
    for turn in 0..6 {
        messages.push(message(Role::User, prose(600)));
        let mut called = message(Role::Assistant, prose(40));
        called.tool_calls.push(ToolCall {
            id: format!("call{turn}"),
            name: format!("tool_{turn}"),
            arguments: json!({ "filePath": "/src/main.rs", "startLine": 1 }).to_string(),
        });
        messages.push(called);
        let mut result = message(Role::Tool, prose(800));
        result.tool_call_id = Some(format!("call{turn}"));
        messages.push(result);
    }
    Input::Chat {
        messages,
        tools,
        tool_choice: ToolChoice::Auto,
        allows_parallel_calls: true,
        template: TemplateOptions::default(),
    }
}

fn template() -> Option<ChatTemplate> {
    ChatTemplate::from_source(TEMPLATE, None, None).ok()
}

fn tokenizer() -> Option<Tokenizer> {
    let Some(path) = std::env::var_os("RUSTYGPT_BENCH_VOCABULARY") else {
        return Some(Tokenizer::bytes());
    };
    match ModelFiles::open(path.as_ref()).ok()?.source() {
        Source::Gguf(metadata) => Tokenizer::from_gguf(metadata).ok(),
        Source::HuggingFace(_) => None,
    }
}

fn helpers() -> Renderer {
    Renderer::Process(RenderProcess::with_environment(
        std::env::current_exe().unwrap_or_default(),
        Vec::new(),
        vec![(HELPER.into(), "1".into())],
        RenderLimits::default(),
    ))
}

fn bench_rendering(bencher: Bencher<'_, '_>, renderer: &Renderer) {
    let (Some(template), Ok(Some(request)), Ok(runtime)) = (
        template(),
        RenderRequest::from_input(&request()),
        tokio::runtime::Runtime::new(),
    ) else {
        return;
    };
    bencher.bench_local(|| {
        runtime
            .block_on(renderer.render(&template, black_box(&request)))
            .map(|text| text.len())
    });
}

#[divan::bench]
fn render_in_process(bencher: Bencher<'_, '_>) {
    bench_rendering(bencher, &Renderer::InProcess);
}

#[divan::bench]
fn render_in_helper(bencher: Bencher<'_, '_>) {
    bench_rendering(bencher, &helpers());
}

#[divan::bench]
fn tokens_by_helper(bencher: Bencher<'_, '_>) {
    let (Some(template), Some(tokenizer), Ok(runtime)) =
        (template(), tokenizer(), tokio::runtime::Runtime::new())
    else {
        return;
    };
    let (renderer, input) = (helpers(), request());
    bencher.bench_local(|| {
        let tokens = prompt_tokens(&renderer, &template, &tokenizer, black_box(&input));
        runtime.block_on(tokens).map(|tokens| tokens.len())
    });
}
