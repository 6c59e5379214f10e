//! [`JsonBody`]: a body becomes a type, or an error that names the field at fault.

use crate::error::ApiError;
use crate::state::ApiState;
use axum::body::Body;
use axum::extract::{FromRequest, Request};
use http::{HeaderMap, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use rustygpt_common::error_code::ErrorCode;
use rustygpt_common::routes::Dialect;
use serde::de::DeserializeOwned;
use std::borrow::Cow;
use std::error::Error;

/// How deep JSON may nest.
const DEPTH: usize = 128;
/// How many values a body may hold. A parsed value is many times larger than its text, so that
/// 8 MiB of `0,0,0…` would become hundreds.
const VALUES: usize = 250_000;

/// A body read and parsed, together with its text.
pub(crate) struct JsonBody<T> {
    /// What it says.
    pub(crate) value: T,
    /// The text it was read from.
    pub(crate) text: String,
}

impl<T: DeserializeOwned> FromRequest<ApiState> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &ApiState) -> Result<Self, ApiError> {
        check_media_type(request.uri().path(), request.headers())?;
        let text = read(request, state).await?;
        let value = parse(&text)?;
        Ok(Self { value, text })
    }
}

/// Accepts JSON and, because some clients forget it, no type at all.
///
/// Ollama's examples call curl without a type, which then says that it sends a form. On Ollama's
/// routes that is JSON too, unless a browser asks: its pages can send forms anywhere.
fn check_media_type(path: &str, headers: &HeaderMap) -> Result<(), ApiError> {
    let refuse = |what: &str| {
        let message = format!("{what} Send plain JSON with `Content-Type: application/json`.");
        Err(ApiError::new(ErrorCode::UnsupportedMediaType, message))
    };
    if let Some(encoding) = headers.get(header::CONTENT_ENCODING)
        && encoding != "identity"
    {
        return refuse("Compressed bodies are not accepted.");
    }
    let Some(media_type) = headers.get(header::CONTENT_TYPE) else {
        return Ok(());
    };
    let essence = media_type
        .to_str()
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default();
    let essence = essence.trim().to_ascii_lowercase();
    let is_curl = essence == "application/x-www-form-urlencoded"
        && Dialect::of(path) == Dialect::Ollama
        && !headers.contains_key(header::ORIGIN);
    if essence == "application/json" || essence.ends_with("+json") || is_curl {
        Ok(())
    } else {
        refuse("The body's media type is not JSON.")
    }
}

/// Reads a body, bounded in size and time.
pub(crate) async fn read(request: Request, state: &ApiState) -> Result<String, ApiError> {
    let limit = state.limits.body_bytes;
    let too_large = || {
        let message = format!("The body is too large: at most {limit} bytes are accepted.");
        ApiError::new(ErrorCode::RequestTooLarge, message)
    };
    let announced = hyper::body::Body::size_hint(request.body()).lower();
    if usize::try_from(announced).is_ok_and(|bytes| bytes > limit) {
        return Err(too_large());
    }
    let body: Limited<Body> = Limited::new(request.into_body(), limit);
    let Ok(collected) = tokio::time::timeout(state.limits.body_time, body.collect()).await else {
        return Err(ApiError::new(
            ErrorCode::RequestTimeout,
            "The body took too long to arrive.",
        ));
    };
    let bytes = match collected {
        Ok(collected) => collected.to_bytes(),
        Err(error) if is_length_limit(error.as_ref()) => return Err(too_large()),
        Err(_) => {
            return Err(ApiError::new(ErrorCode::BadRequest, "The body broke off."));
        }
    };
    String::from_utf8(bytes.into())
        .map_err(|_| ApiError::new(ErrorCode::InvalidJson, "The body is not UTF-8."))
}

fn is_length_limit(error: &(dyn Error + 'static)) -> bool {
    error.is::<LengthLimitError>() || error.source().is_some_and(is_length_limit)
}

/// Reads JSON into a type.
pub(crate) fn parse<T: DeserializeOwned>(text: &str) -> Result<T, ApiError> {
    bound_nesting(text)?;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        refusal(without_clients_names(&path), error.inner())
    })?;
    deserializer.end().map_err(|error| refusal("", &error))?;
    Ok(value)
}

/// Refuses JSON that nests too deep or holds too many values, in one pass over its bytes.
fn bound_nesting(text: &str) -> Result<(), ApiError> {
    let (mut depth, mut values) = (0usize, 1usize);
    let (mut in_string, mut is_escaped) = (false, false);
    for byte in text.bytes() {
        if in_string {
            match byte {
                _ if is_escaped => is_escaped = false,
                b'\\' => is_escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'[' | b'{' => {
                depth += 1;
                values += 1;
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            b',' => values += 1,
            _ => {}
        }
        if depth > DEPTH {
            let message = format!("The JSON nests deeper than {DEPTH} levels.");
            return Err(ApiError::new(ErrorCode::InvalidJson, message));
        }
        if values > VALUES {
            let message = format!("The JSON holds more than {VALUES} values.");
            return Err(ApiError::new(ErrorCode::InvalidJson, message));
        }
    }
    Ok(())
}

fn refusal(path: &str, error: &serde_json::Error) -> ApiError {
    let message = error.to_string();
    // The position means nothing to somebody who never saw the text; the path does.
    let what = message
        .rsplit_once(" at line ")
        .map_or(message.as_str(), |(what, _)| what);
    if !error.is_data() {
        let message = format!("The body is not valid JSON: {message}.");
        return ApiError::new(ErrorCode::InvalidJson, message);
    }
    let path = if path == "." { "" } else { path };
    if let Some(field) = what
        .strip_prefix("missing field `")
        .and_then(|s| s.strip_suffix('`'))
    {
        let separator = if path.is_empty() { "" } else { "." };
        let param = format!("{path}{separator}{field}");
        let message = format!("Missing required parameter: '{param}'.");
        return ApiError::at(ErrorCode::MissingRequiredParameter, param, message);
    }
    let what = &without_text(what);
    let code = if what.starts_with("invalid type") {
        ErrorCode::InvalidType
    } else {
        ErrorCode::InvalidValue
    };
    if path.is_empty() {
        return ApiError::new(code, format!("The body is not as expected: {what}."));
    }
    ApiError::at(code, path, format!("'{path}' is not as expected: {what}."))
}

/// A path as far as its names are ours: it goes into the log, where no word of a request belongs.
fn without_clients_names(path: &str) -> &str {
    // The one field of a request whose keys are its client's and whose values are typed.
    const KEYED_BY_CLIENT: &str = "logit_bias";
    match path.strip_prefix(KEYED_BY_CLIENT) {
        Some(_) => KEYED_BY_CLIENT,
        None => path,
    }
}

/// A parser's complaint without the text that it quotes: that may be a password in a wrong place,
/// and clients write what they are answered into their logs.
fn without_text(what: &str) -> Cow<'_, str> {
    const BEFORE: &str = ": string \"";
    let Some(begin) = what.find(BEFORE) else {
        return what.into();
    };
    match what.rfind("\", expected ") {
        Some(end) => {
            let before = &what[..begin + BEFORE.len() - 2];
            format!("{before}{}", &what[end + 1..]).into()
        }
        None => what.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustygpt_common::openai::ChatRequest;

    #[test]
    fn what_was_sent_is_not_repeated() {
        for (text, told) in [
            (
                r#"{"model":["x"],"messages":"my \", expected secret"}"#,
                "'model' is not as expected: invalid type: sequence, expected a string.",
            ),
            (
                r#"{"messages":"my \", expected secret"}"#,
                "'messages' is not as expected: invalid type: string, expected a sequence.",
            ),
        ] {
            let envelope = parse::<ChatRequest>(text).unwrap_err().envelope();
            assert_eq!(envelope.error.message, told);
        }
    }

    fn error(text: &str) -> (String, Option<String>) {
        let envelope = parse::<ChatRequest>(text).unwrap_err().envelope();
        (envelope.error.code.unwrap(), envelope.error.param)
    }

    fn at(code: &str, param: &str) -> (String, Option<String>) {
        (code.to_owned(), Some(param.to_owned()))
    }

    #[test]
    fn the_field_at_fault_is_named() {
        for (text, code, param) in [
            ("{}", "missing_required_parameter", "model"),
            (r#"{"model":1}"#, "invalid_type", "model"),
            (
                r#"{"model":"m","messages":[{}]}"#,
                "missing_required_parameter",
                "messages[0].role",
            ),
            (
                r#"{"model":"m","messages":[{"role":"user","content":7}]}"#,
                "invalid_type",
                "messages[0].content",
            ),
            (
                r#"{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":7}]}]}"#,
                "invalid_type",
                "messages[0].content[0].text",
            ),
            (
                r#"{"model":"m","messages":[],"max_tokens":-1}"#,
                "invalid_value",
                "max_tokens",
            ),
            (
                r#"{"model":"m","messages":[],"seed":9223372036854775808}"#,
                "invalid_value",
                "seed",
            ),
            (
                r#"{"model":"m","messages":[],"logit_bias":{"my secret":"x"}}"#,
                "invalid_type",
                "logit_bias",
            ),
            (
                r#"{"model":"m","messages":[],"stop":{}}"#,
                "invalid_type",
                "stop",
            ),
            (
                r#"{"model":"m","messages":[],"tool_choice":{"type":3}}"#,
                "invalid_type",
                "tool_choice.type",
            ),
        ] {
            assert_eq!(error(text), at(code, param), "{text}");
        }
    }

    #[test]
    fn what_is_not_json_names_no_field() {
        for text in ["", "{", "[]x", "{\"model\": NaN}", "{\"model\":\"m\"} {}"] {
            assert_eq!(
                error(text).1.filter(|param| param != "messages"),
                None,
                "{text}"
            );
        }
        assert_eq!(error("{"), ("invalid_json".to_owned(), None));
    }

    #[test]
    fn nesting_is_bounded_even_where_nobody_reads() {
        let deep = |levels: usize| {
            let (open, close) = ("[".repeat(levels), "]".repeat(levels));
            format!(r#"{{"model":"m","messages":[],"x":{open}{close}}}"#)
        };
        assert!(parse::<ChatRequest>(&deep(127)).is_ok());
        assert_eq!(error(&deep(128)), ("invalid_json".to_owned(), None));
        assert_eq!(error(&deep(100_000)), ("invalid_json".to_owned(), None));
        let brackets_in_text = "[".repeat(1000) + "\\\"[";
        assert!(
            parse::<ChatRequest>(&format!(
                r#"{{"model":"{brackets_in_text}","messages":[]}}"#
            ))
            .is_ok()
        );
    }

    #[test]
    fn a_flood_of_values_is_refused() {
        let zeros = "0,".repeat(VALUES);
        let text = format!(r#"{{"model":"m","messages":[],"x":[{zeros}0]}}"#);
        assert_eq!(error(&text), ("invalid_json".to_owned(), None));
    }
}
