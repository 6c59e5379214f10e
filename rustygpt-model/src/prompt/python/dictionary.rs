//! JSON data as the dictionaries and lists a Python template sees.

use super::repr::write_repr;
use indexmap::IndexMap;
use minijinja::value::{DynObject, Enumerator, Object, ObjectRepr};
use minijinja::{Error, ErrorKind, State, Value};
use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

/// Names of `dict` methods that the sandbox lets a template see.
const VISIBLE_METHODS: [&str; 6] = ["copy", "fromkeys", "get", "items", "keys", "values"];
/// Names of `dict` methods that change it: Jinja's immutable sandbox hides them.
const HIDDEN_METHODS: [&str; 5] = ["clear", "pop", "popitem", "setdefault", "update"];

/// A `dict` in key order. It differs from minijinja's own map in that an attribute (`x.items`)
/// names the method before the key, as in Python, whereas a subscript (`x['items']`) is the key.
#[derive(Debug)]
pub(in crate::prompt) struct PythonDictionary(IndexMap<Arc<str>, Value>);

impl Object for PythonDictionary {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.0.get(key.as_str()?).cloned()
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        if VISIBLE_METHODS.contains(&key) {
            return Some(Value::from_object(BoundMethod {
                dictionary: Value::from_dyn_object(Arc::clone(self)),
                name: key.to_owned(),
            }));
        }
        if HIDDEN_METHODS.contains(&key) {
            return None;
        }
        self.0.get(key).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(
            self.0
                .keys()
                .map(|key| Value::from(Arc::clone(key)))
                .collect(),
        )
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.0.len())
    }

    fn custom_cmp(self: &Arc<Self>, _other: &DynObject) -> Option<Ordering> {
        None
    }

    fn render(self: &Arc<Self>, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        write_repr(&Value::from_dyn_object(Arc::clone(self)), &mut text, 0)
            .map_err(|_| fmt::Error)?;
        formatter.write_str(&text)
    }
}

/// A method taken off its dictionary without being called.
#[derive(Debug)]
struct BoundMethod {
    dictionary: Value,
    name: String,
}

impl Object for BoundMethod {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call(self: &Arc<Self>, state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        super::method(state, &self.dictionary, &self.name, args)
    }

    fn render(self: &Arc<Self>, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "<built-in method {} of dict object>", self.name)
    }
}

/// The value a template sees of JSON data.
///
/// # Errors
/// When it is nested deeper than any sensible request.
pub(in crate::prompt) fn from_json(json: serde_json::Value) -> Result<Value, Error> {
    convert(json, 0)
}

fn convert(json: serde_json::Value, depth: usize) -> Result<Value, Error> {
    use serde_json::Value as Json;
    if depth > 150 {
        return Err(Error::new(
            ErrorKind::InvalidOperation,
            "the request is nested too deeply",
        ));
    }
    Ok(match json {
        Json::Null => Value::from(()),
        Json::Bool(truth) => Value::from(truth),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(integer), _) => Value::from(integer),
            (None, Some(integer)) => Value::from(integer),
            (None, None) => Value::from(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::from(text),
        Json::Array(items) => items
            .into_iter()
            .map(|item| convert(item, depth + 1))
            .collect::<Result<Vec<Value>, Error>>()?
            .into(),
        Json::Object(entries) => {
            let mut dictionary = IndexMap::with_capacity(entries.len());
            for (key, value) in entries {
                dictionary.insert(Arc::from(key), convert(value, depth + 1)?);
            }
            Value::from_object(PythonDictionary(dictionary))
        }
    })
}
