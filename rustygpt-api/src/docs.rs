//! The page that shows the OpenAPI document to people: Swagger UI, out of this binary.
//!
//! The page and its files are open to everybody. The document is not: the page asks for a key,
//! fetches the document with it and keeps it in its own memory only. No other answer of this
//! server lets a browser run a script, and this one only scripts of this server.

use crate::error::ApiError;
use axum::body::Body;
use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::response::{IntoResponse, Response};
use http::header;
use rustygpt_common::error_code::ErrorCode;
use rustygpt_common::openai::ErrorEnvelope;
use std::sync::Arc;
use utoipa_swagger_ui::Config;

const PAGE: &str = include_str!("docs/page.html");
const SCRIPT: &str = include_str!("docs/page.js");
const STYLE: &str = include_str!("docs/page.css");

/// What a browser may do for the page: everything from this origin, nothing inline, nothing from
/// elsewhere. Swagger UI's style sheet holds its pictures as `data:`.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";

/// The files of Swagger UI that the page needs. Its others stay inside: among them a page that
/// takes any OAuth answer.
const VENDORED: [&str; 2] = ["swagger-ui-bundle.js", "swagger-ui.css"];

/// Shows the page.
#[utoipa::path(get, path = "/docs", tag = "server", operation_id = "show_docs", security(()),
    responses(
        (status = 200, description = "A page that shows this document to who has a key.", body = String, content_type = "text/html"),
    ))]
pub(crate) async fn show() -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
    ];
    (headers, PAGE).into_response()
}

/// Gives one of the page's files.
#[utoipa::path(get, path = "/docs/{file}", tag = "server", operation_id = "get_docs_file", security(()),
    params(("file" = String, Path, description = "The file's name.")),
    responses(
        (status = 200, description = "A script or a style sheet.", body = String, content_type = "text/javascript"),
        (status = 404, description = "The page has no such file.", body = ErrorEnvelope),
    ))]
pub(crate) async fn file(name: Result<Path<String>, PathRejection>) -> Result<Response, ApiError> {
    let absent = || ApiError::new(ErrorCode::NotFound, "The page has no such file.");
    let Path(name) = name.map_err(|_| absent())?;
    let body = match name.as_str() {
        "page.js" => Body::from(SCRIPT),
        "page.css" => Body::from(STYLE),
        name if VENDORED.contains(&name) => {
            // Its errors cannot be sent between threads; their text can.
            let file = utoipa_swagger_ui::serve(name, Arc::new(Config::default()))
                .map_err(|error| ApiError::internal(error.to_string()))?;
            Body::from(file.ok_or_else(absent)?.bytes)
        }
        _ => return Err(absent()),
    };
    let kind = if name.ends_with(".js") {
        "text/javascript; charset=utf-8"
    } else {
        "text/css; charset=utf-8"
    };
    Ok(([(header::CONTENT_TYPE, kind)], body).into_response())
}
