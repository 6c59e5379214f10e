//! [`ErrorCode`]: what went wrong, in words a client can branch on.

/// What went wrong, in words a client can branch on: the `code` of an OpenAI error envelope. Its
/// HTTP status is `rustygpt-api`'s business.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// The body is not JSON, or not UTF-8.
    InvalidJson,
    /// A field has the wrong type.
    InvalidType,
    /// A field has the right type and an impossible value.
    InvalidValue,
    /// A field that must be there is not.
    MissingRequiredParameter,
    /// A parameter that this server cannot honour.
    UnsupportedParameter,
    /// The body's media type or encoding is not supported.
    UnsupportedMediaType,
    /// The prompt is longer than the context.
    ContextLengthExceeded,
    /// The prompt cannot be rendered by the model's template.
    InvalidPrompt,
    /// The request itself is broken HTTP.
    BadRequest,
    /// No key, or a wrong one.
    InvalidApiKey,
    /// The key does not allow this.
    PermissionDenied,
    /// The `Host` header names another server.
    HostNotAllowed,
    /// A web page of another origin asked.
    OriginNotAllowed,
    /// No such model.
    ModelNotFound,
    /// The model exists and cannot do what was asked.
    ModelNotSupported,
    /// The route is known and nothing stands behind it here.
    NotImplemented,
    /// No such route or object.
    NotFound,
    /// The route exists, its method does not.
    MethodNotAllowed,
    /// The body took too long to arrive.
    RequestTimeout,
    /// The body is too long.
    RequestTooLarge,
    /// The headers are too long or too many.
    HeadersTooLarge,
    /// The password or the code is not right.
    SignInRefused,
    /// The password is right, and a second factor is needed.
    SecondFactorRequired,
    /// The sign-in has ended.
    SignedOut,
    /// Nobody may sign up here, or only by invitation.
    SignUpClosed,
    /// Secrets would travel in the clear.
    InsecureConnection,
    /// A sign-in elsewhere was not begun by this browser, was used, or is too old.
    SignInLost,
    /// The issuer did not let its visitor in, or they did not want to.
    IssuerRefused,
    /// What the issuer answered does not prove who somebody is.
    IdentityRefused,
    /// The issuer does not say that the e-mail address is its visitor's own.
    EmailUnverified,
    /// The issuer does not answer, or not as it should.
    IssuerUnavailable,
    /// It contradicts what is there.
    Conflict,
    /// Too many requests in too short a time.
    RateLimited,
    /// The queue is full.
    QueueFull,
    /// The server is starting, stopping or has lost its model.
    Unavailable,
    /// Our own fault.
    Internal,
}

impl ErrorCode {
    /// The text of the envelope's `code`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidJson => "invalid_json",
            Self::InvalidType => "invalid_type",
            Self::InvalidValue => "invalid_value",
            Self::MissingRequiredParameter => "missing_required_parameter",
            Self::UnsupportedParameter => "unsupported_parameter",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::ContextLengthExceeded => "context_length_exceeded",
            Self::InvalidPrompt => "invalid_prompt",
            Self::BadRequest => "bad_request",
            Self::InvalidApiKey => "invalid_api_key",
            Self::PermissionDenied => "permission_denied",
            Self::HostNotAllowed => "host_not_allowed",
            Self::OriginNotAllowed => "origin_not_allowed",
            Self::ModelNotFound => "model_not_found",
            Self::ModelNotSupported => "model_not_supported",
            Self::NotImplemented => "not_implemented",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::RequestTimeout => "request_timeout",
            Self::RequestTooLarge => "request_too_large",
            Self::HeadersTooLarge => "headers_too_large",
            Self::SignInRefused => "sign_in_refused",
            Self::SecondFactorRequired => "second_factor_required",
            Self::SignedOut => "signed_out",
            Self::SignUpClosed => "sign_up_closed",
            Self::InsecureConnection => "insecure_connection",
            Self::SignInLost => "sign_in_lost",
            Self::IssuerRefused => "issuer_refused",
            Self::IdentityRefused => "identity_refused",
            Self::EmailUnverified => "email_unverified",
            Self::IssuerUnavailable => "issuer_unavailable",
            Self::Conflict => "conflict",
            Self::RateLimited => "rate_limit_exceeded",
            Self::QueueFull => "queue_full",
            Self::Unavailable => "service_unavailable",
            Self::Internal => "internal_error",
        }
    }

    /// The text of the envelope's `type`: the family of the code, as OpenAI names them.
    #[must_use]
    pub fn error_type(self) -> &'static str {
        match self {
            Self::InvalidApiKey
            | Self::SignInRefused
            | Self::SecondFactorRequired
            | Self::SignedOut
            | Self::IdentityRefused => "authentication_error",
            Self::PermissionDenied
            | Self::HostNotAllowed
            | Self::OriginNotAllowed
            | Self::SignUpClosed
            | Self::InsecureConnection
            | Self::IssuerRefused
            | Self::EmailUnverified => "permission_error",
            Self::QueueFull | Self::RateLimited => "rate_limit_error",
            Self::Unavailable | Self::IssuerUnavailable | Self::Internal => "server_error",
            _ => "invalid_request_error",
        }
    }
}
