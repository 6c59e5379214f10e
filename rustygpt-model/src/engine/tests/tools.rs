//! Tool calls and reasoning.

use super::shape::{matches, schemas};
use super::*;
use crate::contract::{ContentPart, Grammar, Message, Role, TemplateOptions, Tool, ToolChoice};
use crate::prompt::ChatTemplate;
use crate::scripted::scripted_parts;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

const HERMES: &str = "{% for m in messages %}{{ m.content }}{% endfor %}{{ tools }}<tool_call>";
const THINKS: &str =
    "{% for m in messages %}{{ m.content }}{% endfor %}{% if false %}</think>{% endif %}";
const OPENS: &str = "{% for m in messages %}{{ m.content }}{% endfor %}{{ '</think><think>' }}\n";
const MISTRAL: &str = "{% for m in messages %}{{ m.content }}{% endfor %}[TOOL_CALLS]";

/// A scripted model whose template is this.
fn model(template: &str, script: Script) -> LoadedModel {
    let mut parts = scripted_parts("tools", script);
    parts.template = Some(ChatTemplate::from_source(template, None, None).unwrap());
    LoadedModel::start(parts).unwrap()
}

/// A model that says this, and any token with the same likelihood where it may not go on.
fn saying(template: &str, text: &str) -> LoadedModel {
    let text = text.to_owned();
    model(template, Script::replying(move |_| text.clone()))
}

/// A model all of whose tokens are equally likely.
fn random(template: &str) -> LoadedModel {
    let script = Script::replying(|_| String::new());
    let script = script.with_margin(0.0).without_cache_check();
    model(template, script.with_context_length(60_000))
}

fn tool(name: &str, parameters: Value) -> Tool {
    Tool {
        name: name.to_owned(),
        description: None,
        parameters: Some(parameters),
        strict: None,
    }
}

fn city() -> Value {
    json!({"type": "object", "properties": {"city": {"type": "string", "maxLength": 9},
        "days": {"type": "integer", "minimum": 1, "maximum": 7}},
        "required": ["city", "days"], "additionalProperties": false})
}

fn chat(tools: Vec<Tool>, tool_choice: ToolChoice) -> GenerateRequest {
    let mut request = request("");
    request.input = Input::Chat {
        messages: vec![Message {
            role: Role::User,
            content: vec![ContentPart::Text("hi".to_owned())],
            name: None,
            tool_calls: Vec::new(),
            tool_call_id: None,
        }],
        tools,
        tool_choice,
        allows_parallel_calls: true,
        template: TemplateOptions::default(),
    };
    request.sampling.seed = Some(5);
    request.sampling.temperature = Some(1.0);
    request.limits.max_tokens = Some(900);
    request
}

fn single(mut request: GenerateRequest) -> GenerateRequest {
    if let Input::Chat {
        allows_parallel_calls,
        ..
    } = &mut request.input
    {
        *allows_parallel_calls = false;
    }
    request
}

#[derive(Debug, Default)]
struct Said {
    text: String,
    reasoning: String,
    /// Id, name and arguments.
    calls: Vec<(String, String, String)>,
    ended: usize,
    reason: Option<FinishReason>,
    usage: Usage,
}

impl Said {
    fn names(&self) -> Vec<&str> {
        self.calls
            .iter()
            .map(|(_, name, _)| name.as_str())
            .collect()
    }

    fn arguments(&self, call: usize) -> Value {
        serde_json::from_str(&self.calls[call].2).unwrap()
    }
}

async fn said(model: &LoadedModel, request: GenerateRequest) -> Said {
    let mut generation = model.admit(request).await.unwrap();
    let mut said = Said::default();
    while let Some(event) = generation.next().await {
        match event {
            GenerationEvent::Text { text, .. } => said.text.push_str(&text),
            GenerationEvent::Reasoning { text, .. } => said.reasoning.push_str(&text),
            GenerationEvent::ToolCallBegin { call, id, name, .. } => {
                assert_eq!(call as usize, said.calls.len());
                assert_eq!(said.ended, said.calls.len(), "calls are never interleaved");
                said.calls.push((id, name, String::new()));
            }
            GenerationEvent::ToolCallArguments { call, json, .. } => {
                assert_eq!(call as usize + 1, said.calls.len());
                said.calls[call as usize].2.push_str(&json);
            }
            GenerationEvent::ToolCallEnd { .. } => said.ended += 1,
            GenerationEvent::Finish { reason, usage, .. } => {
                said.reason = Some(reason);
                said.usage = usage;
            }
            GenerationEvent::Failed { message } => panic!("{message}"),
        }
    }
    assert_eq!(said.ended, said.calls.len());
    said
}

#[tokio::test]
async fn a_random_model_that_must_call_calls_with_valid_arguments() {
    let mut runner = TestRunner::deterministic();
    let sets = prop::collection::vec(schemas(), 1..5);
    let templates = [
        HERMES,
        MISTRAL,
        "plain {{ tools }}",
        "<|tool_call|>",
        "<|python_tag|>",
        "<｜tool▁calls▁begin｜>```json",
    ];
    let mut complete = 0;
    for (round, template) in templates.iter().cycle().take(30).enumerate() {
        let model = random(template);
        let arguments: Vec<Value> = sets
            .new_tree(&mut runner)
            .unwrap()
            .current()
            .into_iter()
            .map(|schema| {
                let definitions = schema["$defs"].clone();
                json!({"type": "object", "required": ["x"], "properties": {"x": schema},
                    "$defs": definitions, "additionalProperties": false})
            })
            .collect();
        let tools = arguments.iter().enumerate();
        let tools = tools.map(|(index, schema)| tool(&format!("t{index}"), schema.clone()));
        let mut request = chat(tools.collect(), ToolChoice::Required);
        request.sampling.seed = Some(round as u64);
        let said = said(&model, request).await;
        assert!(!said.calls.is_empty() || said.reason == Some(FinishReason::Length));
        assert_eq!(said.text, "", "{template}");
        let whole = match said.reason {
            Some(FinishReason::ToolCalls) => said.calls.len(),
            Some(FinishReason::Length) => said.calls.len().saturating_sub(1),
            other => panic!("{other:?}"),
        };
        complete += usize::from(said.reason == Some(FinishReason::ToolCalls));
        for call in 0..whole {
            let index: usize = said.calls[call].1[1..].parse().unwrap();
            let schema = &arguments[index];
            let document = said.arguments(call);
            assert!(
                matches(schema, schema, &document),
                "{document} for {schema}"
            );
        }
    }
    assert!(complete > 20, "{complete}");
}

#[tokio::test]
async fn a_call_of_free_will_is_held_to_its_schema_from_its_mark_on() {
    let model = saying(HERMES, "Let me see.\n<tool_call>nonsense");
    let request = chat(vec![tool("weather", city())], ToolChoice::Auto);
    let said = said(&model, single(request)).await;
    assert_eq!(
        (said.text.as_str(), said.names()),
        ("Let me see.", vec!["weather"])
    );
    assert!(matches(&city(), &city(), &said.arguments(0)), "{said:?}");
    assert_eq!(said.reason, Some(FinishReason::ToolCalls));
    assert!(said.calls[0].0.starts_with("call_"));
}

#[tokio::test]
async fn several_calls_come_one_after_the_other_or_only_the_first() {
    let call =
        r#"<tool_call>{"name": "weather", "arguments": {"city": "Rome", "days": 2}}</tool_call>"#;
    let model = saying(HERMES, &format!("{call}\n{call}"));
    let request = || chat(vec![tool("weather", city())], ToolChoice::Auto);
    let two = said(&model, request()).await;
    assert_eq!(two.names(), ["weather", "weather"]);
    assert_ne!(two.calls[0].0, two.calls[1].0);
    assert_eq!(two.arguments(1), json!({"city": "Rome", "days": 2}));
    assert_eq!(two.text, "");
    let one = said(&model, single(request())).await;
    assert_eq!(
        (one.names(), one.reason),
        (vec!["weather"], Some(FinishReason::ToolCalls))
    );
}

#[tokio::test]
async fn the_named_function_is_called_once_and_only_allowed_ones_are() {
    let tools = || vec![tool("a", city()), tool("b", city())];
    let model = random(HERMES);
    let named = said(&model, chat(tools(), ToolChoice::Function("b".to_owned()))).await;
    assert_eq!(
        (named.names(), named.reason),
        (vec!["b"], Some(FinishReason::Stop))
    );
    let allowed = ToolChoice::Allowed {
        names: vec!["a".to_owned()],
        is_required: true,
    };
    let allowed = said(&model, single(chat(tools(), allowed))).await;
    assert_eq!(allowed.names(), ["a"]);
}

#[tokio::test]
async fn a_mistral_call_has_the_id_its_template_takes() {
    let model = random(MISTRAL);
    let said = said(
        &model,
        chat(vec![tool("a", city())], ToolChoice::Function("a".into())),
    )
    .await;
    let id = &said.calls[0].0;
    assert!(
        id.len() == 9 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()),
        "{id}"
    );
}

#[tokio::test]
async fn a_call_cut_off_by_the_length_says_so() {
    let model = saying(HERMES, "<tool_call>");
    let mut request = chat(vec![tool("weather", city())], ToolChoice::Auto);
    request.limits.max_tokens = Some(60);
    let said = said(&model, request).await;
    assert_eq!(
        (said.names(), said.reason),
        (vec!["weather"], Some(FinishReason::Length))
    );
}

#[tokio::test]
async fn stop_strings_do_not_cut_calls() {
    let call =
        r#"<tool_call>{"name": "weather", "arguments": {"city": "STOP", "days": 2}}</tool_call>"#;
    let model = saying(HERMES, &format!("{call} and STOP here"));
    let mut request = chat(vec![tool("weather", city())], ToolChoice::Auto);
    request.limits.stop = vec!["STOP".to_owned()];
    let said = said(&model, request).await;
    assert_eq!(said.arguments(0)["city"], "STOP");
    assert_eq!(said.text.trim(), "and");
}

#[tokio::test]
async fn very_many_tools_are_taken() {
    let tools = (0..130)
        .map(|index| tool(&format!("tool_{index}"), city()))
        .collect();
    let said = said(&random(HERMES), single(chat(tools, ToolChoice::Required))).await;
    assert!(said.calls[0].1.starts_with("tool_"));
    assert!(matches(&city(), &city(), &said.arguments(0)));
}

#[tokio::test]
async fn reasoning_is_told_apart_whoever_opened_it() {
    let cases = [
        (THINKS, "<think>\nA hard one.\n</think>\n\nEasy."),
        (OPENS, "A hard one.\n</think>\n\nEasy."),
        (OPENS, "\nA hard one.</think>Easy."),
    ];
    for (template, text) in cases {
        let mut request = chat(Vec::new(), ToolChoice::Auto);
        // A stop string in the reasoning stops nothing.
        request.limits.stop = vec!["hard".to_owned()];
        let said = said(&saying(template, text), request).await;
        assert_eq!(said.reasoning, "A hard one.", "{text:?}");
        assert_eq!(said.text, "Easy.");
        assert!(said.usage.reasoning_tokens >= 11, "{:?}", said.usage);
        assert!(said.usage.reasoning_tokens < said.usage.completion_tokens);
    }
    let plain = said(
        &saying(THINKS, "I <think> so. "),
        chat(Vec::new(), ToolChoice::Auto),
    )
    .await;
    assert_eq!(
        (plain.text.as_str(), plain.reasoning.as_str()),
        ("I <think> so. ", "")
    );
}

#[tokio::test]
async fn a_shape_holds_from_where_the_reasoning_is_over() {
    let model = saying(OPENS, "Thinking freely.</think>\n\nSure!");
    let mut request = chat(Vec::new(), ToolChoice::Auto);
    request.grammar = Some(Grammar::JsonSchema(city()));
    let said = said(&model, request).await;
    assert_eq!(said.reasoning, "Thinking freely.");
    let document: Value = serde_json::from_str(&said.text).unwrap();
    assert!(matches(&city(), &city(), &document), "{document}");
}

#[tokio::test]
async fn with_tools_and_a_shape_an_answer_is_one_or_the_other() {
    let request = || {
        let mut request = chat(vec![tool("weather", city())], ToolChoice::Auto);
        let schema = json!({"type": "object", "properties": {"ok": {"type": "boolean"}},
            "required": ["ok"], "additionalProperties": false});
        request.grammar = Some(Grammar::JsonSchema(schema));
        single(request)
    };
    let call = said(&saying(HERMES, "<tool_call>"), request()).await;
    assert_eq!((call.names(), call.text.as_str()), (vec!["weather"], ""));
    let document = said(&saying(HERMES, "{ yes"), request()).await;
    let text: Value = serde_json::from_str(&document.text).unwrap();
    assert!(text["ok"].is_boolean(), "{text}");
    assert_eq!(document.reason, Some(FinishReason::Stop));
}

#[tokio::test]
async fn a_schema_that_cannot_be_honoured_is_relaxed_and_told_of_unless_it_is_strict() {
    let odd =
        json!({"type": "object", "properties": {"a": {"type": "array", "uniqueItems": true}}});
    let model = random(HERMES);
    let generation = model
        .admit(chat(vec![tool("odd", odd.clone())], ToolChoice::Auto))
        .await
        .unwrap();
    assert!(
        generation
            .notes()
            .iter()
            .any(|note| note.starts_with("tools"))
    );
    let strict = Tool {
        strict: Some(true),
        ..tool("odd", odd)
    };
    match model.admit(chat(vec![strict], ToolChoice::Auto)).await {
        Err(ModelError::Unsupported { param, .. }) => assert_eq!(param, "tools"),
        other => panic!("{other:?}"),
    }
}
