use super::*;
use crate::tokenizer::Tokenizer;
use serde_json::json;
use std::sync::Arc;

fn grammars() -> Grammars {
    Grammars::new(Arc::new(Tokenizer::bytes()), CompileLimits::default()).unwrap()
}

fn schema(value: serde_json::Value) -> Compiled {
    let schema = Schema::new(value, false).unwrap();
    grammars().schema(&schema).unwrap()
}

/// Whether the text is complete, if it fits.
fn reads(compiled: &Compiled, text: &str) -> Option<bool> {
    let mut matcher = compiled.matcher(Arc::from([257]));
    for byte in text.bytes() {
        if matcher.is_complete() || !matcher.mask().unwrap().allows(byte.into()) {
            return None;
        }
        matcher.accept(byte.into()).unwrap();
    }
    Some(matcher.may_end())
}

#[test]
fn a_schema_allows_its_documents_and_nothing_else() {
    let person = schema(json!({"type": "object", "required": ["name", "age"],
        "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0}},
        "additionalProperties": false}));
    assert_eq!(
        reads(&person, r#"{"name": "Ada\n", "age": 36}"#),
        Some(true)
    );
    assert_eq!(reads(&person, r#"{"name": "Ada", "#), Some(false));
    assert_eq!(reads(&person, r#"{"name": 1"#), None);
    assert_eq!(reads(&person, r#"{"name": "Ada", "age": -"#), None);
    assert_eq!(reads(&person, r#"{"name": "Ada", "age": 1, "#), None);
}

#[test]
fn references_may_be_recursive() {
    let tree = schema(json!({"$ref": "#/$defs/node", "$defs": {"node": {
        "type": "object", "properties": {"children": {"type": "array",
        "items": {"$ref": "#/$defs/node"}}}, "required": ["children"],
        "additionalProperties": false}}}));
    assert_eq!(
        reads(&tree, r#"{"children":[{"children":[]},{"children":[]}]}"#),
        Some(true)
    );
    assert_eq!(reads(&tree, r#"{"children":[1"#), None);
}

#[test]
fn an_answer_may_end_only_where_its_grammar_may() {
    let number = schema(json!({"type": "integer"}));
    let mut matcher = number.matcher(Arc::from([257]));
    assert!(!matcher.mask().unwrap().allows(257));
    matcher.accept(u32::from(b'7')).unwrap();
    assert!(matcher.mask().unwrap().allows(257));
    assert!(
        !matcher.mask().unwrap().allows(256),
        "another control token"
    );
    let object = schema(json!({"type": "object", "properties": {}, "additionalProperties": false}));
    let mut matcher = object.matcher(Arc::from([257]));
    matcher.accept(u32::from(b'{')).unwrap();
    assert_eq!(matcher.accept(u32::from(b'}')).unwrap(), Progress::Complete);
}

#[test]
fn control_tokens_are_never_part_of_a_value_but_of_a_grammar_that_names_them() {
    let mut matcher = schema(json!({"type": "string"})).matcher(Arc::from([]));
    matcher.accept(u32::from(b'"')).unwrap();
    let mask = matcher.mask().unwrap();
    assert!((256..259).all(|control| !mask.allows(control)));

    let grammars = grammars();
    let named = grammars.literal("<|im_start|>");
    let compiled = grammars.lark(format!("start: {named} \"x\"")).unwrap();
    let mut matcher = compiled.matcher(Arc::from([]));
    assert_eq!(matcher.mask().unwrap(), {
        let mut mask = Mask::of(&[256]);
        mask.allow(259);
        mask.forbid(259);
        mask
    });
    matcher.accept(256).unwrap();
    assert_eq!(matcher.accept(u32::from(b'x')).unwrap(), Progress::Complete);
}

#[test]
fn white_space_ends() {
    let list = schema(json!({"type": "array", "items": {"type": "null"}}));
    assert_eq!(
        reads(&list, &format!("[{}null]", " ".repeat(40))),
        Some(true)
    );
    assert_eq!(reads(&list, &format!("[{}null]", " ".repeat(41))), None);
}

#[test]
fn what_nothing_matches_is_refused_when_it_is_compiled() {
    for value in [
        json!({"type": "object", "required": ["a"], "properties": {"a": false}}),
        json!({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}),
        json!({"allOf": [{"type": "string"}, {"type": "integer"}]}),
        json!({"oneOf": [{"type": "string"}, {"type": "string", "minLength": 2}]}),
    ] {
        let schema = Schema::new(value.clone(), false).unwrap();
        assert!(grammars().schema(&schema).is_err(), "{value}");
    }
}

#[test]
fn text_written_before_a_grammar_holds_is_taken_along() {
    let compiled = schema(json!({"type": "array", "items": {"type": "integer"}}));
    let mut matcher = compiled.matcher(Arc::from([257]));
    assert!(matcher.accept_text("[1, 2"));
    assert!(matcher.mask().unwrap().allows(u32::from(b']')));
    assert!(!compiled.matcher(Arc::from([257])).accept_text("[x"));
}

/// Was: the fourth of several requests with tools of their own was refused.
#[test]
fn many_grammars_at_once_are_all_compiled() {
    let grammars = grammars();
    std::thread::scope(|scope| {
        let compiling: Vec<_> = (0..24)
            .map(|index| {
                let grammars = &grammars;
                scope.spawn(move || {
                    let value = json!({"type": "object", "required": [format!("a{index}")]});
                    let schema = Schema::new(value, false).unwrap();
                    grammars.schema(&schema).map(drop)
                })
            })
            .collect();
        for compiled in compiling {
            assert_eq!(compiled.join().unwrap(), Ok(()));
        }
    });
}
