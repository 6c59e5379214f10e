//! [`Schema`]: a JSON Schema that was checked, keyword by keyword.

use serde_json::{Map, Value};
use std::fmt;

/// Deepest nesting of subschemas.
const DEPTH: usize = 64;
/// Most subschemas of one schema.
const SUBSCHEMAS: usize = 10_000;
/// Most values in all `enum` lists together.
const ENUM_VALUES: usize = 5_000;
/// Longest texts of all names, constants and patterns together, in bytes.
const TEXT_BYTES: usize = 512 * 1024;
/// Longest pattern, in bytes.
const PATTERN_BYTES: usize = 2_000;
/// Largest count of items or properties.
const COUNT: u64 = 1_000;
/// Largest `multipleOf`, and the finest part of one.
const STEP: f64 = 10_000.0;
/// Largest length of a string.
const LENGTH: u64 = 100_000;

/// Keywords whose value is a schema.
const HOLDS_SCHEMA: [&str; 3] = ["items", "additionalItems", "additionalProperties"];
/// Keywords whose value is a list of schemas.
const HOLDS_LIST: [&str; 4] = ["anyOf", "oneOf", "allOf", "prefixItems"];
/// Keywords whose value is a map of schemas.
const HOLDS_MAP: [&str; 4] = ["properties", "patternProperties", "$defs", "definitions"];
/// Other keywords that are honoured.
const PLAIN: [&str; 16] = [
    "$ref",
    "const",
    "enum",
    "type",
    "minItems",
    "maxItems",
    "required",
    "minProperties",
    "maxProperties",
    "minLength",
    "maxLength",
    "pattern",
    "format",
    "minimum",
    "maximum",
    "multipleOf",
];
const EXCLUSIVE: [&str; 2] = ["exclusiveMinimum", "exclusiveMaximum"];
/// Keywords of the standard that say nothing about which documents match.
const ANNOTATIONS: [&str; 14] = [
    "$anchor",
    "$schema",
    "$id",
    "id",
    "$comment",
    "title",
    "description",
    "default",
    "deprecated",
    "readOnly",
    "writeOnly",
    "examples",
    "contentMediaType",
    "contentEncoding",
];
/// Keywords of the standard that say which documents match and cannot be honoured.
const REFUSED: [&str; 20] = [
    "not",
    "if",
    "then",
    "else",
    "contains",
    "minContains",
    "maxContains",
    "uniqueItems",
    "propertyNames",
    "dependencies",
    "dependentRequired",
    "dependentSchemas",
    "unevaluatedItems",
    "unevaluatedProperties",
    "contentSchema",
    "$recursiveRef",
    "$recursiveAnchor",
    "$dynamicRef",
    "$dynamicAnchor",
    "x-guidance",
];
const FORMATS: [&str; 10] = [
    "date-time",
    "time",
    "date",
    "duration",
    "email",
    "hostname",
    "ipv4",
    "ipv6",
    "uuid",
    "uri",
];

/// A JSON Schema of which every keyword that matters is honoured.
#[derive(Clone, Debug, PartialEq)]
pub struct Schema {
    value: Value,
}

/// What is wrong with a schema, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SchemaProblem {
    /// The path from the schema's root, such as `.properties.tags.uniqueItems`; empty for the root.
    pub path: String,
    /// What is wrong; goes on from the path.
    pub message: String,
    /// Whether the schema means the same documents and more when the keyword is left out.
    can_be_left_out: bool,
}

impl Schema {
    /// Checks a schema. With `is_strict`, keywords that no standard knows are refused too.
    ///
    /// # Errors
    /// The first problem.
    pub fn new(mut value: Value, is_strict: bool) -> Result<Self, SchemaProblem> {
        let mut problems = Visit::new(is_strict).all(&mut value);
        match problems.is_empty() {
            true => Ok(Self { value }),
            false => Err(problems.swap_remove(0)),
        }
    }

    /// Checks a schema and leaves out what cannot be honoured; returns the paths of what was left
    /// out.
    ///
    /// # Errors
    /// The first problem that leaving something out does not solve.
    pub fn relaxed(mut value: Value) -> Result<(Self, Vec<String>), SchemaProblem> {
        let problems = Visit::new(false).all(&mut value);
        match problems.iter().find(|problem| !problem.can_be_left_out) {
            Some(problem) => Err(problem.clone()),
            None => {
                let paths = problems.into_iter().map(|problem| problem.path).collect();
                Ok((Self { value }, paths))
            }
        }
    }

    /// Any JSON object.
    #[must_use]
    pub fn any_object() -> Self {
        Self {
            value: serde_json::json!({ "type": "object" }),
        }
    }

    /// The schema itself.
    #[must_use]
    pub fn into_value(self) -> Value {
        self.value
    }

    /// The schema itself.
    #[must_use]
    pub fn value(&self) -> &Value {
        &self.value
    }
}

/// One walk over a schema.
struct Visit {
    root: Value,
    is_strict: bool,
    problems: Vec<SchemaProblem>,
    subschemas: usize,
    enum_values: usize,
    text_bytes: usize,
}

impl Visit {
    fn new(is_strict: bool) -> Self {
        Self {
            root: Value::Null,
            is_strict,
            problems: Vec::new(),
            subschemas: 0,
            enum_values: 0,
            text_bytes: 0,
        }
    }

    /// Walks the whole schema and removes what cannot be honoured.
    fn all(mut self, value: &mut Value) -> Vec<SchemaProblem> {
        self.root = value.clone();
        self.schema("", value, 0);
        self.problems
    }

    fn problem(&mut self, path: impl fmt::Display, message: impl Into<String>, can: bool) {
        self.problems.push(SchemaProblem {
            path: path.to_string(),
            message: message.into(),
            can_be_left_out: can,
        });
    }

    fn is_over(&mut self, path: &str) -> bool {
        let bound = if self.subschemas > SUBSCHEMAS {
            format!("the schema has more than {SUBSCHEMAS} subschemas")
        } else if self.enum_values > ENUM_VALUES {
            format!("the schema has more than {ENUM_VALUES} enum values")
        } else if self.text_bytes > TEXT_BYTES {
            format!("the schema's names and constants are longer than {TEXT_BYTES} bytes")
        } else {
            return false;
        };
        if self.problems.iter().all(|problem| problem.message != bound) {
            self.problem(path, bound, false);
        }
        true
    }

    fn schema(&mut self, path: &str, value: &mut Value, depth: usize) {
        self.subschemas += 1;
        if self.is_over(path) {
            return;
        }
        if depth > DEPTH {
            let message = format!("the schema is nested deeper than {DEPTH} levels");
            return self.problem(path, message, false);
        }
        match value {
            Value::Bool(true) => {}
            Value::Bool(false) if depth > 0 => {}
            Value::Bool(false) => self.problem(path, "no document matches the schema", false),
            Value::Object(fields) => self.fields(path, fields, depth),
            _ => self.problem(path, "a schema must be an object", false),
        }
    }

    fn fields(&mut self, path: &str, fields: &mut Map<String, Value>, depth: usize) {
        // All drafts are read as the latest: an older one would make llguidance overlook newer
        // keywords.
        fields.shift_remove("$schema");
        if fields.get("items").is_some_and(Value::is_array) {
            let items = fields.shift_remove("items").unwrap_or_default();
            fields.insert("prefixItems".to_owned(), items);
            if let Some(others) = fields.shift_remove("additionalItems") {
                fields.insert("items".to_owned(), others);
            }
        }
        let mut left_out = Vec::new();
        for (key, value) in fields.iter_mut() {
            let before = self.problems.len();
            let at = format!("{path}.{}", shortened(key));
            let key = key.as_str();
            self.text_bytes += key.len();
            if HOLDS_MAP.contains(&key) {
                match value.as_object_mut() {
                    Some(map) => {
                        for (name, inner) in map {
                            self.text_bytes += name.len();
                            if key == "patternProperties" {
                                self.pattern(&at, name);
                            }
                            let at = format!("{at}.{}", shortened(name));
                            self.schema(&at, inner, depth + 1);
                        }
                    }
                    None => self.problem(&at, "must be an object of schemas", false),
                }
            } else if HOLDS_LIST.contains(&key) {
                match value.as_array_mut() {
                    Some(list) => {
                        for (index, inner) in list.iter_mut().enumerate() {
                            self.schema(&format!("{at}[{index}]"), inner, depth + 1);
                        }
                    }
                    None => self.problem(&at, "must be a list of schemas", false),
                }
            } else if HOLDS_SCHEMA.contains(&key) {
                self.schema(&at, value, depth + 1);
            } else if PLAIN.contains(&key) || EXCLUSIVE.contains(&key) {
                self.keyword(&at, key, value);
            } else if REFUSED.contains(&key) {
                // `uniqueItems: false` and the like ask for nothing.
                if *value != Value::Bool(false) {
                    self.problem(&at, "this keyword is not supported", true);
                }
            } else if self.is_strict && !ANNOTATIONS.contains(&key) {
                self.problem(&at, "this keyword is not known", true);
            }
            let own = self.problems.iter().skip(before);
            if REFUSED.contains(&key) || own.into_iter().any(|problem| problem.path == at) {
                left_out.push(key.to_owned());
            }
        }
        for key in left_out {
            fields.shift_remove(&key);
        }
    }

    fn keyword(&mut self, at: &str, key: &str, value: &Value) {
        match key {
            "$ref" => match value.as_str() {
                Some(reference) if self.resolves(reference) => {}
                Some(_) => self.problem(
                    at,
                    "does not name a part of this schema (`#/$defs/…`)",
                    false,
                ),
                None => self.problem(at, "must be a string", false),
            },
            "enum" => match value.as_array() {
                Some(values) if !values.is_empty() => {
                    self.enum_values += values.len();
                    self.text_bytes += values.iter().map(text_bytes).sum::<usize>();
                    self.is_over(at);
                }
                _ => self.problem(at, "must be a list of at least one value", false),
            },
            "const" => self.text_bytes += text_bytes(value),
            "required" => {
                let names = value
                    .as_array()
                    .filter(|names| names.iter().all(Value::is_string));
                match names {
                    Some(names) => self.text_bytes += names.iter().map(text_bytes).sum::<usize>(),
                    None => self.problem(at, "must be a list of strings", false),
                }
            }
            "type" => self.types(at, value),
            "pattern" => match value.as_str() {
                Some(pattern) => self.pattern(at, pattern),
                None => self.problem(at, "must be a string", false),
            },
            "format" => {
                if !value.as_str().is_some_and(|name| FORMATS.contains(&name)) {
                    let message = format!("must be one of {}", FORMATS.join(", "));
                    self.problem(at, message, true);
                }
            }
            "minItems" | "maxItems" | "minProperties" | "maxProperties" => {
                self.bounded(at, value, COUNT);
            }
            "minLength" | "maxLength" => self.bounded(at, value, LENGTH),
            // llguidance 1.9 counts remainders in 32 bits.
            "multipleOf" => {
                let is_small = |number: f64| {
                    let steps = number * STEP;
                    (STEP.recip()..=STEP).contains(&number) && (steps - steps.round()).abs() < 1e-6
                };
                if !value.as_f64().is_some_and(is_small) {
                    let message = format!("must be a multiple of 1/{STEP} of at most {STEP}");
                    self.problem(at, message, true);
                }
            }
            _ => {
                if !value.is_number() {
                    self.problem(at, "must be a number", true);
                }
            }
        }
    }

    fn bounded(&mut self, at: &str, value: &Value, most: u64) {
        if value.as_u64().is_none_or(|number| number > most) {
            let message = format!("must be a whole number of at most {most}");
            self.problem(at, message, true);
        }
    }

    fn types(&mut self, at: &str, value: &Value) {
        const TYPES: [&str; 7] = [
            "null", "boolean", "integer", "number", "string", "array", "object",
        ];
        let is_type = |name: &Value| name.as_str().is_some_and(|name| TYPES.contains(&name));
        let is_right = match value {
            Value::Array(names) => !names.is_empty() && names.iter().all(is_type),
            name => is_type(name),
        };
        if !is_right {
            let message = format!("must be one of {} or a list of them", TYPES.join(", "));
            self.problem(at, message, false);
        }
    }

    fn pattern(&mut self, at: &str, pattern: &str) {
        self.text_bytes += pattern.len();
        if pattern.len() > PATTERN_BYTES {
            let message = format!("must have at most {PATTERN_BYTES} bytes");
            self.problem(at, message, true);
        } else if regex_syntax::ParserBuilder::new()
            .nest_limit(64)
            .build()
            .parse(pattern)
            .is_err()
        {
            let message = "must be a regular expression without look-around and back-references";
            self.problem(at, message, true);
        }
    }

    /// Whether a reference names a part of this schema; as llguidance reads it.
    fn resolves(&self, reference: &str) -> bool {
        if reference == "#" {
            return true;
        }
        let Some(path) = reference.strip_prefix("#/") else {
            return false;
        };
        let mut place = &self.root;
        for segment in path.split('/') {
            let next = match place {
                Value::Array(items) => segment.parse().ok().and_then(|at: usize| items.get(at)),
                other => other.get(segment),
            };
            match next {
                Some(next) => place = next,
                None => return false,
            }
        }
        place.is_object() || place.is_boolean()
    }
}

/// Bytes of all texts in a value; iterative values are never deep: the parser bounds them.
fn text_bytes(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(text_bytes).sum(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| name.len() + text_bytes(value))
            .sum(),
        _ => 8,
    }
}

fn shortened(key: &str) -> String {
    key.chars().take(64).collect()
}

#[cfg(test)]
mod tests;
