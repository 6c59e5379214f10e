//! Paths of the server, named once for the router, the clients and the documents.

/// Answers a conversation.
pub const CHAT_COMPLETIONS: &str = "/v1/chat/completions";
/// Goes on with a text.
pub const COMPLETIONS: &str = "/v1/completions";
/// Turns texts into vectors.
pub const EMBEDDINGS: &str = "/v1/embeddings";
/// Lists the models.
pub const MODELS: &str = "/v1/models";
/// Describes one model; its id, which may contain slashes, follows.
pub const MODELS_ITEM_PREFIX: &str = "/v1/models/";
/// Splits a text into tokens.
pub const TOKENIZE: &str = "/v1/tokenize";
/// Joins tokens to a text.
pub const DETOKENIZE: &str = "/v1/detokenize";
/// Renders a conversation as its model reads it.
pub const APPLY_TEMPLATE: &str = "/v1/apply-template";
/// Would judge texts.
pub const MODERATIONS: &str = "/v1/moderations";
/// Answers a conversation in Anthropic's dialect.
pub const MESSAGES: &str = "/v1/messages";
/// Counts a conversation's tokens in Anthropic's dialect.
pub const COUNT_TOKENS: &str = "/v1/messages/count_tokens";
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

/// What `/api` begins with: the house's own routes, whose errors are problem documents, and
/// Ollama's.
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

/// Ollama's dialect, which shares its prefix with the house's own routes.
pub mod ollama {
    /// Tells which version of Ollama's dialect is spoken.
    pub const VERSION: &str = "/api/version";
    /// Lists the models.
    pub const TAGS: &str = "/api/tags";
    /// Describes one model.
    pub const SHOW: &str = "/api/show";
    /// Lists the models in memory.
    pub const PS: &str = "/api/ps";
    /// Answers a conversation.
    pub const CHAT: &str = "/api/chat";
    /// Goes on with a text.
    pub const GENERATE: &str = "/api/generate";
    /// Turns texts into vectors.
    pub const EMBED: &str = "/api/embed";
    /// Turns one text into a vector.
    pub const EMBEDDINGS: &str = "/api/embeddings";
    /// All of them.
    pub const ALL: [&str; 8] = [VERSION, TAGS, SHOW, PS, CHAT, GENERATE, EMBED, EMBEDDINGS];
}

/// Whose words a route speaks; errors are written in them too, whoever refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// OpenAI's, and that of the routes about the server itself.
    OpenAi,
    /// Anthropic's.
    Anthropic,
    /// Ollama's.
    Ollama,
    /// The house's own, whose errors are problem documents.
    Own,
}

impl Dialect {
    /// The dialect of a path, whether there is a route or not.
    #[must_use]
    pub fn of(path: &str) -> Self {
        if [MESSAGES, COUNT_TOKENS].contains(&path) {
            Self::Anthropic
        } else if ollama::ALL.contains(&path) {
            Self::Ollama
        } else if path.starts_with(API_PREFIX) {
            Self::Own
        } else {
            Self::OpenAi
        }
    }
}

/// Whether a route has a model compute, which counts against a key's rate and quota.
#[must_use]
pub fn computes(path: &str) -> bool {
    [
        CHAT_COMPLETIONS,
        COMPLETIONS,
        EMBEDDINGS,
        MESSAGES,
        ollama::CHAT,
        ollama::GENERATE,
        ollama::EMBED,
        ollama::EMBEDDINGS,
    ]
    .contains(&path)
}

/// Whether a path serves inference or the discovery of models: the routes that an owner may open
/// to keyless clients on the same machine.
#[must_use]
pub fn is_inference(path: &str) -> bool {
    [
        MODELS,
        TOKENIZE,
        DETOKENIZE,
        APPLY_TEMPLATE,
        MODERATIONS,
        COUNT_TOKENS,
    ]
    .contains(&path)
        || computes(path)
        || ollama::ALL.contains(&path)
        || path.starts_with(MODELS_ITEM_PREFIX)
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
