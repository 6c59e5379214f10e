use super::*;
use serde_json::json;

fn path_of(schema: Value) -> String {
    Schema::new(schema, false).unwrap_err().path
}

#[test]
fn what_cannot_be_honoured_is_refused_with_its_path() {
    let tags = json!({"type": "array", "uniqueItems": true});
    let schema = json!({"type": "object", "properties": {"tags": tags}});
    assert_eq!(path_of(schema), ".properties.tags.uniqueItems");
    let schema = json!({"anyOf": [{"type": "string"}, {"not": {}}]});
    assert_eq!(path_of(schema), ".anyOf[1].not");
    assert_eq!(path_of(json!({"$ref": "#/$defs/absent"})), ".$ref");
    assert_eq!(path_of(json!({"$ref": "https://example.com"})), ".$ref");
    assert_eq!(path_of(json!({"type": "strnig"})), ".type");
    assert_eq!(path_of(json!({"pattern": "(?=a)"})), ".pattern");
    assert_eq!(
        path_of(json!({"items": {"format": "color"}})),
        ".items.format"
    );
    assert_eq!(path_of(json!({"maxItems": 1e9})), ".maxItems");
    assert_eq!(path_of(json!({"multipleOf": 999_999_999})), ".multipleOf");
    assert_eq!(path_of(json!({"multipleOf": 0})), ".multipleOf");
    Schema::new(json!({"type": "number", "multipleOf": 0.07}), true).unwrap();
    assert_eq!(path_of(json!(false)), "");
}

#[test]
fn a_property_may_be_named_like_a_keyword() {
    let schema = json!({"properties": {"not": {"type": "string"}, "if": {}}});
    Schema::new(schema, true).unwrap();
}

#[test]
fn keywords_of_nobody_are_refused_in_strict_schemas_only() {
    let schema = json!({"type": "string", "markdownDescription": "m", "title": "t"});
    Schema::new(schema.clone(), false).unwrap();
    let problem = Schema::new(schema, true).unwrap_err();
    assert_eq!(problem.path, ".markdownDescription");
}

#[test]
fn a_relaxed_schema_lacks_only_what_cannot_be_honoured() {
    let schema = json!({"properties": {"a": {"type": "array", "uniqueItems": true,
        "items": {"type": "string", "pattern": "(?!x)", "minLength": 2}}}});
    let (relaxed, left_out) = Schema::relaxed(schema).unwrap();
    let expected = json!({"properties": {"a": {"type": "array",
        "items": {"type": "string", "minLength": 2}}}});
    assert_eq!(relaxed.value(), &expected);
    assert_eq!(
        left_out,
        [".properties.a.uniqueItems", ".properties.a.items.pattern"]
    );
}

#[test]
fn nesting_and_lists_are_bounded() {
    let mut deep = json!({});
    for _ in 0..100 {
        deep = json!({"items": deep});
    }
    assert!(path_of(deep).ends_with(".items.items"));
    let values: Vec<u32> = (0..6_000).collect();
    assert_eq!(path_of(json!({"enum": values})), ".enum");
}
