//! Answers in a given shape, by a model that writes at random.

use super::*;
use crate::contract::Grammar;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use std::cell::Cell;

/// A model all of whose tokens are equally likely.
fn random_model() -> LoadedModel {
    let script = Script::replying(|_| String::new())
        .with_margin(0.0)
        .without_cache_check();
    scripted_model("random", script).unwrap()
}

fn shaped(grammar: Grammar, seed: u64) -> GenerateRequest {
    let mut request = request("x");
    request.grammar = Some(grammar);
    request.sampling.seed = Some(seed);
    request.sampling.temperature = Some(1.0);
    request.limits.max_tokens = Some(600);
    request
}

/// Whether a document matches a schema, as far as these tests' schemas go.
pub(super) fn matches(schema: &Value, root: &Value, document: &Value) -> bool {
    if let Some(name) = schema["$ref"].as_str() {
        let place = root.pointer(name.trim_start_matches('#')).unwrap();
        return matches(place, root, document);
    }
    if let Some(values) = schema["enum"].as_array() {
        return values.contains(document);
    }
    if let Some(options) = schema["anyOf"].as_array() {
        return options.iter().any(|option| matches(option, root, document));
    }
    let length = |low: &str, high: &str, length: usize| {
        schema[low]
            .as_u64()
            .is_none_or(|least| length as u64 >= least)
            && schema[high]
                .as_u64()
                .is_none_or(|most| length as u64 <= most)
    };
    match schema["type"].as_str().unwrap() {
        "null" => document.is_null(),
        "boolean" => document.is_boolean(),
        // The standard counts 1.0 as an integer.
        "integer" => document.as_f64().is_some_and(|number| {
            number.fract() == 0.0
                && schema["minimum"]
                    .as_f64()
                    .is_none_or(|least| number >= least)
                && schema["maximum"].as_f64().is_none_or(|most| number <= most)
        }),
        "string" => document
            .as_str()
            .is_some_and(|text| length("minLength", "maxLength", text.chars().count())),
        "array" => document.as_array().is_some_and(|items| {
            length("minItems", "maxItems", items.len())
                && items
                    .iter()
                    .all(|item| matches(&schema["items"], root, item))
        }),
        "object" => document.as_object().is_some_and(|fields| {
            let required = schema["required"].as_array().unwrap();
            required
                .iter()
                .all(|name| fields.contains_key(name.as_str().unwrap()))
                && fields.iter().all(|(name, value)| {
                    let property = schema["properties"].get(name);
                    property.is_some_and(|property| matches(property, root, value))
                })
        }),
        other => panic!("{other}"),
    }
}

pub(super) fn schemas() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!({"type": "null"})),
        Just(json!({"type": "boolean"})),
        (-300i64..300, 0i64..500).prop_map(
            |(low, more)| json!({"type": "integer", "minimum": low, "maximum": low + more})
        ),
        (0u64..4, 0u64..9).prop_map(
            |(low, more)| json!({"type": "string", "minLength": low, "maxLength": low + more})
        ),
        prop::collection::vec("[a-zé\"\\\\]{0,5}", 1..5).prop_map(|values| json!({"enum": values})),
        Just(json!({"$ref": "#/$defs/node"})),
    ];
    let schema = leaf.prop_recursive(3, 12, 4, |inner| {
        let fields = prop::collection::btree_map("[a-z]{1,6}", inner.clone(), 0..4);
        prop_oneof![
            (fields, any::<u8>()).prop_map(|(fields, bits)| {
                let required: Vec<&String> = fields
                    .keys()
                    .enumerate()
                    .filter(|(index, _)| bits >> index & 1 == 1)
                    .map(|(_, name)| name)
                    .collect();
                json!({"type": "object", "required": required, "properties": fields,
                    "additionalProperties": false})
            }),
            (inner.clone(), 0u64..3, 0u64..3).prop_map(|(items, low, more)| json!({
                "type": "array", "items": items, "minItems": low, "maxItems": low + more
            })),
            prop::collection::vec(inner, 1..4).prop_map(|options| json!({"anyOf": options})),
        ]
    });
    schema.prop_map(|mut schema| {
        schema["$defs"] = json!({"node": {"type": "object", "required": ["next"],
            "properties": {"next": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/node"}]}},
            "additionalProperties": false}});
        schema
    })
}

#[test]
fn a_random_model_writes_documents_that_match_generated_schemas() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let model = random_model();
    let (complete, all) = (Cell::new(0), Cell::new(0));
    let mut runner = TestRunner::new(Config {
        failure_persistence: None,
        ..Config::with_cases(300)
    });
    let result = runner.run(&(schemas(), any::<u64>()), |(schema, seed)| {
        let request = shaped(Grammar::JsonSchema(schema.clone()), seed);
        let answers =
            runtime.block_on(async { collect(model.admit(request).await.unwrap()).await });
        all.set(all.get() + 1);
        let answer = &answers[0];
        if answer.reason == Some(FinishReason::Stop) {
            complete.set(complete.get() + 1);
            let document: Value = serde_json::from_str(&answer.text)
                .map_err(|error| TestCaseError::fail(format!("{error}: {:?}", answer.text)))?;
            prop_assert!(
                matches(&schema, &schema, &document),
                "{} for {}",
                document,
                schema
            );
        } else {
            prop_assert_eq!(answer.reason, Some(FinishReason::Length));
        }
        Ok(())
    });
    result.unwrap();
    assert!(
        complete.get() * 10 > all.get() * 9,
        "{complete:?} of {all:?}"
    );
}

#[tokio::test]
async fn every_choice_has_the_shape_whatever_the_settings() {
    let schema = json!({"type": "object", "properties": {"a": {"type": "integer"},
        "b": {"enum": ["x", "y"]}}, "required": ["a", "b"], "additionalProperties": false});
    let mut request = shaped(Grammar::JsonSchema(schema), 1);
    request.choices = 4;
    request.logprobs = Some(2);
    request.limits.min_tokens = 500;
    // Ending tokens are wanted badly, digits are not.
    request.sampling.logit_bias = (0..10).map(|digit| (48 + digit, -5.0)).collect();
    request.sampling.logit_bias.insert(257, 100.0);
    request.sampling.top_p = Some(0.9);
    let answers = collect(random_model().admit(request).await.unwrap()).await;
    assert_eq!(answers.len(), 4);
    for answer in answers {
        assert_eq!(answer.reason, Some(FinishReason::Stop), "{}", answer.text);
        let document: Value = serde_json::from_str(&answer.text).unwrap();
        assert!(document["a"].is_i64() && document["b"].is_string());
        let written: Vec<u8> = answer
            .logprobs
            .iter()
            .flat_map(|one| one.bytes.clone())
            .collect();
        assert_eq!(written, answer.text.as_bytes());
    }
}

#[tokio::test]
async fn a_document_that_does_not_fit_ends_for_its_length() {
    let schema = json!({"type": "string", "minLength": 50});
    let mut request = shaped(Grammar::JsonSchema(schema), 3);
    request.limits.max_tokens = Some(20);
    let answers = collect(random_model().admit(request).await.unwrap()).await;
    assert_eq!(answers[0].reason, Some(FinishReason::Length));
}

#[tokio::test]
async fn a_model_that_wants_to_say_something_else_is_held_to_the_shape() {
    let script = Script::replying(|_| "Sure! Here is your JSON: {}".to_owned());
    let model = scripted_model("chatty", script).unwrap();
    let mut request = shaped(Grammar::JsonObject, 0);
    request.sampling.temperature = Some(0.0);
    request.limits.max_tokens = Some(40);
    let answers = collect(model.admit(request).await.unwrap()).await;
    assert!(answers[0].text.starts_with('{'), "{}", answers[0].text);
}

#[tokio::test]
async fn shapes_that_cannot_be_promised_are_refused() {
    let model = random_model();
    for schema in [
        json!({"type": "array", "uniqueItems": true}),
        json!({"allOf": [{"type": "string"}, {"type": "null"}]}),
    ] {
        let request = shaped(Grammar::JsonSchema(schema), 0);
        match model.admit(request).await {
            Err(ModelError::Unsupported { param, .. }) => assert_eq!(param, "response_format"),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn hostile_shapes_cost_little_whether_they_are_refused_or_not() {
    let model = random_model();
    let bomb = "((((a{1,900}){1,900}){1,900}){1,900}){1,900}b";
    let many: Vec<Value> = (0..2_000)
        .map(|n| json!({"type": "string", "pattern": format!("^(x{{1,500}}y?){{1,500}}{n}$")}))
        .collect();
    let wide: Vec<Value> = (0..5_000)
        .map(|n| json!(format!("{n}{}", "x".repeat(90))))
        .collect();
    let crossed: Vec<Value> = (0..40)
        .map(|_| json!({"anyOf": [{"minLength": 1}, {"minimum": 1}, {"minItems": 1}]}))
        .collect();
    for schema in [
        json!({"type": "string", "pattern": bomb}),
        json!({"type": "string", "pattern": "(.*a.{900}){900}"}),
        json!({"anyOf": many}),
        json!({"enum": wide}),
        json!({"allOf": crossed}),
        json!({"type": "integer", "multipleOf": 999_999_999_i64, "minimum": 7}),
        json!({"type": "array", "minItems": 1000, "maxItems": 1000, "items": {
            "type": "array", "minItems": 1000, "items": {"type": "string", "minLength": 99_999}}}),
    ] {
        let began = std::time::Instant::now();
        let mut request = shaped(Grammar::JsonSchema(schema.clone()), 0);
        request.limits.max_tokens = Some(50);
        let admitted = model.admit(request).await;
        // The bound is 250 ms; machines that test do other things beside.
        assert!(began.elapsed().as_secs() < 2, "{schema}");
        if let Ok(generation) = admitted {
            try_collect(generation).await.ok();
        }
        assert!(began.elapsed().as_secs() < 10, "{schema}");
    }
}
