//! Paths of the server, named once for the router, the clients and the documents.

/// Answers a conversation.
pub const CHAT_COMPLETIONS: &str = "/v1/chat/completions";
/// Turns texts into vectors.
pub const EMBEDDINGS: &str = "/v1/embeddings";
/// Lists the models.
pub const MODELS: &str = "/v1/models";
/// Describes one model; its id, which may contain slashes, follows.
pub const MODELS_ITEM_PREFIX: &str = "/v1/models/";
/// Tells whether the process lives.
pub const HEALTH: &str = "/healthz";
/// Tells whether a model can answer.
pub const READY: &str = "/readyz";
/// Tells how busy the server is.
pub const STATUS: &str = "/status";
/// The same in Prometheus' text format.
pub const METRICS: &str = "/metrics";
/// Describes every route.
pub const OPENAPI: &str = "/openapi.json";
/// Shows that description to people; the page's files follow after a slash.
pub const DOCS: &str = "/docs";

/// Ways in: the routes that make a caller of somebody who is none yet.
pub mod entrance {
    /// Makes the first administrator.
    pub const OWNER: &str = "/api/auth/owner";
    /// Makes an account for oneself.
    pub const SIGN_UP: &str = "/api/auth/sign-up";
    /// Lets in by password.
    pub const SIGN_IN: &str = "/api/auth/sign-in";
    /// Lets in by the code of `rustygpt open`.
    pub const ENTER: &str = "/api/auth/enter";
    /// Gets new tokens.
    pub const REFRESH: &str = "/api/auth/refresh";
    /// Sets a new password by a code.
    pub const RESET: &str = "/api/auth/reset";
    /// Lets in who has just proved elsewhere who they are.
    pub const FINISH: &str = "/api/auth/finish";
    /// Those whose path never varies; [`super::elsewhere`] has the others.
    pub const ALL: [&str; 7] = [OWNER, SIGN_UP, SIGN_IN, ENTER, REFRESH, RESET, FINISH];
}

/// Signing in by an issuer: a server elsewhere that vouches for people.
pub mod elsewhere {
    /// Lists the issuers.
    pub const ISSUERS: &str = "/api/auth/issuers";
    const PREFIX: &str = "/api/auth/with/";
    const RETURN: &str = "/return";

    /// Where signing in by this issuer begins.
    #[must_use]
    pub fn begin(issuer: &str) -> String {
        format!("{PREFIX}{issuer}")
    }

    /// Where this issuer sends people back to.
    #[must_use]
    pub fn return_to(issuer: &str) -> String {
        format!("{PREFIX}{issuer}{RETURN}")
    }

    /// The issuer of the path that [`begin`] makes.
    #[must_use]
    pub fn begins_at(path: &str) -> Option<&str> {
        let issuer = path.strip_prefix(PREFIX)?;
        (!issuer.is_empty() && !issuer.contains('/')).then_some(issuer)
    }

    /// The issuer of the path that [`return_to`] makes.
    #[must_use]
    pub fn returns_from(path: &str) -> Option<&str> {
        begins_at(path.strip_suffix(RETURN)?)
    }
}

/// What `/api` begins with: the routes that answer errors as problem documents.
pub const API_PREFIX: &str = "/api/";

/// Whether a route needs neither key nor sign-in.
#[must_use]
pub fn is_public(path: &str) -> bool {
    [HEALTH, READY, elsewhere::ISSUERS].contains(&path) || is_entrance(path) || is_page(path)
}

/// Whether a route belongs to the page of the document.
fn is_page(path: &str) -> bool {
    path.strip_prefix(DOCS)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether a route lets somebody in, so that attempts at it are counted.
#[must_use]
pub fn is_entrance(path: &str) -> bool {
    entrance::ALL.contains(&path)
        || elsewhere::begins_at(path).is_some()
        || elsewhere::returns_from(path).is_some()
}

/// Whether a route has a model compute, which counts against a key's rate and quota.
#[must_use]
pub fn computes(path: &str) -> bool {
    [CHAT_COMPLETIONS, EMBEDDINGS].contains(&path)
}

/// Whether a path serves inference or the discovery of models: the routes that an owner may open
/// to keyless clients on the same machine.
#[must_use]
pub fn is_inference(path: &str) -> bool {
    [CHAT_COMPLETIONS, EMBEDDINGS, MODELS].contains(&path) || path.starts_with(MODELS_ITEM_PREFIX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_paths_of_issuers_are_theirs() {
        assert_eq!(
            elsewhere::begins_at(&elsewhere::begin("github")),
            Some("github")
        );
        let back = elsewhere::return_to("github");
        assert_eq!(elsewhere::returns_from(&back), Some("github"));
        assert_eq!(elsewhere::begins_at(&back), None);
        for path in [
            "/api/auth/with/",
            "/api/auth/with",
            "/api/auth/with/a/b",
            "/api/account",
        ] {
            assert!(!is_public(path), "{path}");
        }
    }
}
