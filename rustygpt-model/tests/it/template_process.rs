//! A hostile template ends in a clear error within its bounds and harms nobody.

use rustygpt_model::contract::ModelError;
use rustygpt_model::prompt::{
    ChatTemplate, RenderLimits, RenderProcess, RenderRequest, Renderer, serve_render_process,
};
use serde_json::json;
use std::time::{Duration, Instant};

/// Set in the helper processes, which are this very test binary.
const HELPER: &str = "RUSTYGPT_TEST_RENDER_WORKER";

/// Not a test of its own: the main of the helper processes.
#[test]
fn helper_main() {
    if std::env::var_os(HELPER).is_some() {
        let ended = serve_render_process();
        std::process::exit(i32::from(ended.is_err()));
    }
}

fn renderer() -> Renderer {
    let arguments = ["--exact", "template_process::helper_main", "--nocapture"];
    Renderer::Process(RenderProcess::with_environment(
        std::env::current_exe().unwrap_or_default(),
        arguments.map(Into::into).to_vec(),
        vec![(HELPER.into(), "1".into())],
        RenderLimits::default(),
    ))
}

fn hello() -> RenderRequest {
    RenderRequest {
        messages: vec![json!({ "role": "user", "content": "Hello" })],
        add_generation_prompt: true,
        ..RenderRequest::default()
    }
}

const GOOD: &str =
    "{% for message in messages %}<{{ message.role }}>{{ message.content }}{% endfor %}";

/// What a hostile template may try, and what the person is told.
const HOSTILE: [(&str, &str); 23] = [
    (
        "{% set ns = namespace(s='xxxxxxxx') %}{% for i in range(60) %}\
         {% set ns.s = ns.s ~ ns.s %}{% endfor %}{{ ns.s }}",
        "more than 64 MiB",
    ),
    (
        "{% set ns = namespace(s=messages[0].content) %}{% for i in range(60) %}\
         {% set ns.s = ns.s + ns.s %}{% endfor %}",
        "more than 64 MiB",
    ),
    (
        "{% set ns = namespace(l=[1]) %}{% for i in range(60) %}\
         {% set ns.l = (ns.l + ns.l)|list %}{% endfor %}",
        "more than 64 MiB",
    ),
    ("{{ 'x' * 1000000000 }}", "too large"),
    ("{{ 'x' * 99999999 }}", "more than 64 MiB"),
    (
        "{% set n = 99999999 %}{% set s = messages[0].role * n %}",
        "too large",
    ),
    (
        "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
        "",
    ),
    ("{% for a in range(100000000) %}{% endfor %}", "range"),
    (
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "recursion",
    ),
    (
        "{% macro f(n) %}{{ f(n + 1) }}{{ f(n + 1) }}{% endmacro %}{{ f(0) }}",
        "recursion",
    ),
    (
        "{% set ns = namespace(x=[]) %}{% for i in range(100000) %}{% set ns.x = [ns.x] %}\
         {% endfor %}{{ ns.x }}",
        "nest",
    ),
    (
        "{% set ns = namespace(x={}) %}{% for i in range(100000) %}{% set ns.x = {'a': ns.x} %}\
         {% endfor %}{{ ns.x|tojson }}",
        "nest",
    ),
    ("{{ '%999999999d'|format(1) }}", ""),
    ("{{ '{:>999999999}'.format('x') }}", ""),
    ("{{ 'x'.center(1000000000) }}", "too long"),
    ("{{ 'x'|center(1000000000) }}", "too long"),
    ("{{ 'x\nx'|indent(999999999) }}", ""),
    ("{{ [1]|batch(999999999, 'x')|list }}", ""),
    (
        "{% set long = 'x' * 1000 %}{% for i in range(100000) %}{{ long }}{% endfor %}",
        "longer than",
    ),
    (
        "{{ ('x' * 10000)|replace('x', 'y' * 100000) }}",
        "more than 64 MiB",
    ),
    ("{{ (['x' * 1000000] * 1000)|join }}", "more than 64 MiB"),
    (
        "{{ range(50000)|list|tojson(indent='x' * 1000000) }}",
        "more than 64 MiB",
    ),
    (
        "{% include 'chat_template' %}{% extends 'chat_template' %}",
        "",
    ),
];

#[tokio::test]
async fn hostile_templates_end_within_their_bounds() {
    let renderer = renderer();
    let good = ChatTemplate::from_source(GOOD, None, None).expect("a template");
    for (source, told) in HOSTILE {
        // A warm helper, so that only the rendering is measured.
        assert_eq!(
            renderer.render(&good, &hello()).await.ok().as_deref(),
            Some("<user>Hello")
        );
        let template = ChatTemplate::from_source(source, None, None).expect("a template");
        let start = Instant::now();
        let result = renderer.render(&template, &hello()).await;
        let took = start.elapsed();
        assert!(took < Duration::from_secs(2), "{source}\ntook {took:?}");
        match result {
            Err(ModelError::Template { message }) => {
                // On a busy machine time may run out before the bound that is meant.
                let is_told = message.contains(told) || message.contains("longer than 1 s");
                assert!(is_told, "{source}\nsaid {message}");
            }
            other => panic!("{source}\ngave {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_hostile_syntax_ends_within_its_bounds() {
    let renderer = renderer();
    let open = 100_000;
    for source in [
        format!("{{{{ {}1{} }}}}", "(".repeat(open), ")".repeat(open)),
        format!("{{{{ {}1{} }}}}", "[".repeat(open), "]".repeat(open)),
        format!("{{{{ {}1 }}}}", "-".repeat(open)),
        format!("{{{{ {}1 }}}}", "not ".repeat(open)),
        "{% if a %}".repeat(open),
        format!("{{{{ a{} }}}}", ".a".repeat(open)),
        format!("{{{{ 'x'{} }}}}", "|upper".repeat(open)),
        format!("{{{{ 1{} }}}}", " if 1 else 1".repeat(open / 2)),
        "{% for a in ".repeat(open / 2),
        "{".repeat(1_000_000),
    ] {
        let template = ChatTemplate::from_source(source, None, None).expect("a template");
        let start = Instant::now();
        let result = renderer.render(&template, &hello()).await;
        // The start of a helper is in here.
        assert!(start.elapsed() < Duration::from_secs(3));
        match result {
            Ok(_) | Err(ModelError::Template { .. }) => {}
            Err(error) => panic!("{error:?}"),
        }
    }
    let long = ChatTemplate::from_source("x".repeat(2 << 20), None, None);
    assert!(matches!(long, Err(ModelError::Template { .. })));
}

#[tokio::test]
async fn helpers_render_side_by_side_and_keep_templates() {
    let renderer = renderer();
    let renderings = (0..40).map(|number| {
        let renderer = renderer.clone();
        async move {
            let source = format!("{number} {GOOD}");
            let template = ChatTemplate::from_source(source, None, None).expect("a template");
            for _ in 0..2 {
                let text = renderer.render(&template, &hello()).await.expect("text");
                assert_eq!(text, format!("{number} <user>Hello"));
            }
        }
    });
    futures::future::join_all(renderings).await;
}

#[tokio::test]
async fn the_words_of_the_template_reach_the_client() {
    let source = "{{ raise_exception('Roles must <alternate>') }}";
    let template = ChatTemplate::from_source(source, None, None).expect("a template");
    let error = renderer()
        .render(&template, &hello())
        .await
        .expect_err("it raises");
    assert_eq!(
        error.to_string(),
        "the model's chat template failed: Roles must <alternate>"
    );
}

#[tokio::test]
async fn a_long_conversation_fits_the_bounds() {
    let template = ChatTemplate::from_source(GOOD, None, None).expect("a template");
    let mut request = hello();
    let long = "word ".repeat(400_000);
    request.messages = vec![json!({ "role": "user", "content": long })];
    let text = renderer().render(&template, &request).await.expect("text");
    assert_eq!(text.len(), "<user>".len() + long.len());
}

#[tokio::test]
async fn a_caller_who_goes_away_leaves_a_working_pool() {
    let renderer = renderer();
    let slow = "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}";
    let slow = ChatTemplate::from_source(slow, None, None).expect("a template");
    for _ in 0..8 {
        let hello = hello();
        let rendering = renderer.render(&slow, &hello);
        let waited = tokio::time::timeout(Duration::from_millis(50), rendering).await;
        assert!(waited.is_err());
    }
    let good = ChatTemplate::from_source(GOOD, None, None).expect("a template");
    assert_eq!(
        renderer.render(&good, &hello()).await.ok().as_deref(),
        Some("<user>Hello")
    );
}

#[tokio::test]
async fn a_program_that_is_no_helper_is_our_own_fault() {
    let renderer = Renderer::Process(RenderProcess::new(
        "/bin/true".into(),
        Vec::new(),
        RenderLimits::default(),
    ));
    let template = ChatTemplate::from_source(GOOD, None, None).expect("a template");
    let error = renderer
        .render(&template, &hello())
        .await
        .expect_err("no helper");
    assert!(matches!(error, ModelError::Internal(_)), "{error:?}");
}
