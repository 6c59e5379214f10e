//! Llama 3.x: an answer that is `{"name": …, "parameters": …}`, or that behind `<|python_tag|>`.

use super::{CallBody, CallFormat, CallId};

pub(super) const FORMAT: CallFormat = CallFormat {
    begin: Some("<|python_tag|>"),
    is_bare: true,
    is_list: false,
    each: None,
    body: CallBody::Object {
        arguments: "parameters",
    },
    end: None,
    id: CallId::Usual,
};

pub(super) fn of_template(source: &str) -> Option<CallFormat> {
    let is_llama =
        source.contains("<|python_tag|>") || source.contains(r#"{"name": function name, "param"#);
    is_llama.then_some(FORMAT)
}
