use super::*;
use rustygpt_model::contract::{ContentPart, Message, Role, ToolChoice};
use serde_json::{Value, json};

/// A valid request with these fields added or replaced.
fn with(fields: &Value) -> Result<Validated, (String, Option<String>)> {
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
    for (name, value) in fields.as_object().unwrap() {
        body[name] = value.clone();
    }
    let text = body.to_string();
    let refused = |error: ApiError| {
        let error = error.envelope().error;
        (error.code.unwrap(), error.param)
    };
    let request = crate::json_body::parse(&text).map_err(refused)?;
    let ignored = crate::other_keys::with_meaning(&text, &ChatRequest::KEYS);
    validate(request, ignored).map_err(refused)
}

fn refused(code: &str, param: &str) -> (String, Option<String>) {
    (code.to_owned(), Some(param.to_owned()))
}

fn messages(validated: Validated) -> Vec<Message> {
    match validated.request.input {
        Input::Chat { messages, .. } => messages,
        other => panic!("not a conversation: {other:?}"),
    }
}

#[test]
fn values_out_of_bounds_name_their_field() {
    let many = |count: usize| vec!["x"; count];
    let biases: serde_json::Map<String, Value> = (0..1025)
        .map(|token| (token.to_string(), json!(1)))
        .collect();
    for (fields, param) in [
        (json!({"n": 0}), "n"),
        (json!({"n": 9}), "n"),
        (json!({"temperature": -0.1}), "temperature"),
        (json!({"temperature": 2.01}), "temperature"),
        (json!({"top_p": 1.5}), "top_p"),
        (json!({"top_k": -2}), "top_k"),
        (json!({"min_p": -1}), "min_p"),
        (json!({"typical_p": 2}), "typical_p"),
        (json!({"repetition_penalty": 0}), "repetition_penalty"),
        (json!({"repetition_penalty": 1e300}), "repetition_penalty"),
        (json!({"frequency_penalty": 3}), "frequency_penalty"),
        (json!({"presence_penalty": -3}), "presence_penalty"),
        (json!({"logit_bias": {"1": 101}}), "logit_bias.1"),
        (json!({"logit_bias": {"word": 1}}), "logit_bias"),
        (json!({"logit_bias": biases}), "logit_bias"),
        (json!({"stop": many(17)}), "stop"),
        (json!({"stop": ["a", ""]}), "stop[1]"),
        (json!({"stop_token_ids": vec![1; 1025]}), "stop_token_ids"),
        (
            json!({"top_logprobs": 21, "logprobs": true}),
            "top_logprobs",
        ),
        (json!({"top_logprobs": 2}), "top_logprobs"),
        (json!({"max_tokens": 0}), "max_tokens"),
        (json!({"max_completion_tokens": 0}), "max_completion_tokens"),
        (json!({"max_tokens": 2, "min_tokens": 3}), "min_tokens"),
        (json!({"messages": []}), "messages"),
        (
            json!({"messages": [{"role": "king", "content": "x"}]}),
            "messages[0].role",
        ),
        (
            json!({"continue_final_message": true}),
            "continue_final_message",
        ),
        (json!({"tool_choice": "maybe"}), "tool_choice"),
        (json!({"tool_choice": "required"}), "tool_choice"),
        (
            json!({"tool_choice": {"type": "function", "function": {"name": "f"}}}),
            "tool_choice.function.name",
        ),
        (
            json!({"tools": [{"function": {"name": "f"}}], "tool_choice": {"type": "allowed_tools",
                "allowed_tools": {"tools": [{"function": {"name": "g"}}]}}}),
            "tool_choice.allowed_tools.tools",
        ),
        (
            json!({"response_format": {"type": "xml"}}),
            "response_format.type",
        ),
        (
            json!({"response_format": {"type": "json_schema",
                "json_schema": {"name": "a b", "schema": {}}}}),
            "response_format.json_schema.name",
        ),
        (json!({"reasoning_effort": "very high"}), "reasoning_effort"),
        (
            json!({"chat_template_kwargs": {"messages": []}}),
            "chat_template_kwargs.messages",
        ),
        (
            json!({"chat_template_kwargs": {"chat_template": "x"}}),
            "chat_template_kwargs.chat_template",
        ),
        (
            json!({"tools": [{"function": {"name": ""}}]}),
            "tools[0].function.name",
        ),
        (
            json!({"tools": [{"function": {"name": "a"}}, {"function": {"name": "a"}}]}),
            "tools[1].function.name",
        ),
    ] {
        let error = with(&fields).unwrap_err();
        assert_eq!(error, refused("invalid_value", param), "{fields}");
    }
}

#[test]
fn what_cannot_be_honoured_is_refused() {
    for (fields, param) in [
        (
            json!({"tools": [{"function": {"name": "f", "strict": true,
                "parameters": {"type": "object", "not": {}}}}]}),
            "tools[0].function.parameters.not",
        ),
        (
            json!({"response_format": {"type": "json_schema", "json_schema":
                {"name": "x", "schema": {"properties": {"a": {"uniqueItems": true}}}}}}),
            "response_format.json_schema.schema.properties.a.uniqueItems",
        ),
        (
            json!({"response_format": {"type": "json_schema", "json_schema":
                {"name": "x", "strict": true, "schema": {"nullable": true}}}}),
            "response_format.json_schema.schema.nullable",
        ),
        (json!({"modalities": ["text", "audio"]}), "modalities"),
        (json!({"tools": [{"type": "web_search"}]}), "tools[0].type"),
        (
            json!({"messages": [{"role": "user", "content": [{"type": "file"}]}]}),
            "messages[0].content[0].type",
        ),
    ] {
        let error = with(&fields).unwrap_err();
        assert_eq!(error, refused("unsupported_parameter", param), "{fields}");
    }
}

#[test]
fn what_is_missing_is_named() {
    for (message, param) in [
        (json!({"role": "user"}), "messages[0].content"),
        (
            json!({"role": "tool", "content": "x"}),
            "messages[0].tool_call_id",
        ),
        (
            json!({"role": "user", "content": [{"type": "text"}]}),
            "messages[0].content[0].text",
        ),
        (
            json!({"role": "assistant", "tool_calls": [{"id": "1"}]}),
            "messages[0].tool_calls[0].function",
        ),
    ] {
        let error = with(&json!({"messages": [message]})).unwrap_err();
        assert_eq!(
            error,
            refused("missing_required_parameter", param),
            "{message}"
        );
    }
}

#[test]
fn sloppy_histories_are_read() {
    let history = json!([
        {"role": "developer", "content": "be brief", "copilot_cache_control": {"type": "x"}},
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        {"role": "assistant", "content": null, "reasoning_content": "hm", "cot_id": "7",
         "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f"}}]},
        {"role": "tool", "tool_call_id": "c1", "content": "42"},
        {"role": "assistant"},
        {"role": "user", "content": "go on", "tool_calls": null},
    ]);
    let read = messages(with(&json!({"messages": history})).unwrap());
    let roles: Vec<Role> = read.iter().map(|message| message.role).collect();
    let expected = [
        Role::System,
        Role::User,
        Role::Assistant,
        Role::Tool,
        Role::Assistant,
        Role::User,
    ];
    assert_eq!(roles, expected);
    let texts = [ContentPart::Text("a".into()), ContentPart::Text("b".into())];
    assert_eq!(read[1].content, texts);
    assert_eq!(read[2].content, [ContentPart::Reasoning("hm".into())]);
    assert_eq!(read[2].tool_calls[0].arguments, "{}");
    assert_eq!(read[3].tool_call_id.as_deref(), Some("c1"));
    assert_eq!(read[4].content, []);
}

#[test]
fn the_newer_name_of_a_bound_wins() {
    let validated = with(&json!({"max_tokens": 5, "max_completion_tokens": 7})).unwrap();
    assert_eq!(validated.request.limits.max_tokens, Some(7));
    assert_eq!(validated.ignored, ["max_tokens"]);
}

#[test]
fn any_whole_number_is_a_seed() {
    for seed in [0, 1, -1, i64::MIN, i64::MAX] {
        let validated = with(&json!({"seed": seed})).unwrap();
        assert_eq!(validated.request.sampling.seed, Some(seed.cast_unsigned()));
    }
}

#[test]
fn tools_are_hidden_where_none_may_be_called() {
    let tools = json!([{"type": "function", "function": {"name": "f", "parameters": {}}}]);
    let seen = |choice: &str| match with(&json!({"tools": tools, "tool_choice": choice}))
        .unwrap()
        .request
        .input
    {
        Input::Chat {
            tools, tool_choice, ..
        } => (tools.len(), tool_choice),
        other => panic!("not a conversation: {other:?}"),
    };
    assert_eq!(seen("auto"), (1, ToolChoice::Auto));
    assert_eq!(seen("none"), (0, ToolChoice::None));
}

#[test]
fn reasoning_options_become_variables_of_the_template() {
    let variables = |fields: Value| match with(&fields).unwrap().request.input {
        Input::Chat { template, .. } => serde_json::to_value(template.variables).unwrap(),
        other => panic!("not a conversation: {other:?}"),
    };
    assert_eq!(
        variables(json!({"reasoning": {"effort": "low"}})),
        json!({"reasoning_effort": "low"})
    );
    assert_eq!(
        variables(json!({"reasoning_effort": "none"})),
        json!({"enable_thinking": false, "reasoning_effort": "none"})
    );
    assert_eq!(
        variables(
            json!({"enable_thinking": false, "chat_template_kwargs": {"enable_thinking": 1}})
        ),
        json!({"enable_thinking": 1})
    );
}

#[test]
fn keys_that_nothing_reads_are_told_when_they_ask_for_something() {
    let fields = json!({
        "store": true, "metadata": {"a": "b"}, "service_tier": "auto", "user": "me",
        "web_search_options": null, "verbosity": "low", "parallel_tool_calls": false,
        "we ird\r\nname": 1, "chat_template": "x", "logit_bias": null,
    });
    let mut ignored = with(&fields).unwrap().ignored;
    ignored.sort();
    assert_eq!(ignored, ["chat_template", "metadata", "store", "verbosity"]);
}

#[test]
fn every_known_key_is_read() {
    // A misspelt name on the list would be taken for a known key and never be told of. No field
    // takes all three of these shapes; a key that nothing reads does.
    let shapes = [json!({"\u{0}": 0}), json!("\u{0}"), json!({"\u{0}": "x"})];
    for key in ChatRequest::KEYS.iter().filter(|&&key| key != "user") {
        let accepts = |shape: &Value| {
            let mut body = json!({"model": "m", "messages": []});
            body[*key] = shape.clone();
            crate::json_body::parse::<ChatRequest>(&body.to_string()).is_ok()
        };
        assert!(!shapes.iter().all(accepts), "{key} is not read");
    }
}
