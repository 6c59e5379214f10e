//! [`ChatTemplate`]: a model's chat template.

use super::RenderRequest;
use super::environment::STEPS;
use super::render::Rendering;
use super::request::token_text;
use crate::contract::ModelError;
use crate::weights::Metadata;
use rustygpt_utils::clock::{Clock, SystemClock};
use serde_json::{Map, Value};
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::Arc;

/// Longest template text, in bytes. The longest in use has some 30 KiB.
const SOURCE_LIMIT: usize = 1024 * 1024;

/// The template of the ChatML format.
const CHATML: &str = "{%- for message in messages -%}\
{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' -}}\
{%- endfor -%}\
{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}";

/// A model's chat template: its text, and the special tokens it may name. Clones share it.
///
/// The text is hostile until proved otherwise and is never compiled by this type's constructors,
/// only where it is rendered, under that place's bounds.
#[derive(Clone)]
pub struct ChatTemplate {
    inner: Arc<Inner>,
    clock: Arc<dyn Clock>,
}

struct Inner {
    default: NamedText,
    /// Used instead of the default when the request has tools.
    tool_use: Option<NamedText>,
    /// `bos_token`, `eos_token` and the like.
    tokens: Map<String, Value>,
}

/// A template's text and the number it is known by to the helper processes.
pub(super) struct NamedText {
    pub(super) text: String,
    pub(super) hash: u64,
}

impl NamedText {
    fn new(text: String) -> Result<Self, ModelError> {
        if text.len() > SOURCE_LIMIT {
            return Err(ModelError::Template {
                message: format!("its text is longer than {SOURCE_LIMIT} bytes"),
            });
        }
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        Ok(Self {
            hash: hasher.finish(),
            text,
        })
    }
}

impl ChatTemplate {
    /// A template from its text and the values of `bos_token` and `eos_token`.
    ///
    /// # Errors
    /// [`ModelError::Template`] when the text is unreasonably long.
    pub fn from_source(
        source: impl Into<String>,
        bos: Option<String>,
        eos: Option<String>,
    ) -> Result<Self, ModelError> {
        let tokens = [("bos_token", bos), ("eos_token", eos)]
            .into_iter()
            .filter_map(|(name, text)| Some((name.to_owned(), Value::String(text?))))
            .collect();
        Self::new(source.into(), None, tokens)
    }

    fn new(
        default: String,
        tool_use: Option<String>,
        tokens: Map<String, Value>,
    ) -> Result<Self, ModelError> {
        Ok(Self {
            inner: Arc::new(Inner {
                default: NamedText::new(default)?,
                tool_use: tool_use.map(NamedText::new).transpose()?,
                tokens,
            }),
            clock: Arc::new(SystemClock),
        })
    }

    /// The template of a GGUF file, if it has one.
    ///
    /// # Errors
    /// As [`Self::from_source`].
    pub fn from_gguf(metadata: &Metadata) -> Result<Option<Self>, ModelError> {
        let tool_use = metadata.string("tokenizer.chat_template.tool_use");
        let Some(default) = metadata.string("tokenizer.chat_template").or(tool_use) else {
            return Ok(None);
        };
        let vocabulary = metadata
            .strings("tokenizer.ggml.tokens")
            .unwrap_or_default();
        let tokens = [
            ("bos_token", "tokenizer.ggml.bos_token_id"),
            ("eos_token", "tokenizer.ggml.eos_token_id"),
            ("unk_token", "tokenizer.ggml.unknown_token_id"),
            ("pad_token", "tokenizer.ggml.padding_token_id"),
        ]
        .into_iter()
        .filter_map(|(name, key)| {
            let id = usize::try_from(metadata.unsigned(key)?).ok()?;
            Some((name.to_owned(), Value::String(vocabulary.get(id)?.clone())))
        })
        .collect();
        Self::new(default.to_owned(), tool_use.map(str::to_owned), tokens).map(Some)
    }

    /// The template of a Hugging Face folder, if it has one: the file `chat_template.jinja` and
    /// those under `additional_chat_templates/`, else `chat_template.json`, else the entry
    /// `chat_template` of `tokenizer_config.json`, a text or a list of named texts.
    ///
    /// # Errors
    /// [`ModelError::Unreadable`], [`ModelError::InvalidFile`], or as [`Self::from_source`].
    pub fn from_directory(directory: &Path) -> Result<Option<Self>, ModelError> {
        let config = read_json(&directory.join("tokenizer_config.json"))?.unwrap_or(Value::Null);
        let tokens = config
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(name, _)| name.ends_with("_token"))
            .filter_map(|(name, value)| Some((name.clone(), Value::String(token_text(value)?))))
            .collect();
        let mut default = read_text(&directory.join("chat_template.jinja"))?;
        let mut tool_use = read_text(
            &directory
                .join("additional_chat_templates")
                .join("tool_use.jinja"),
        )?;
        let from_json = match read_json(&directory.join("chat_template.json"))? {
            Some(file) => file.get("chat_template").cloned(),
            None => None,
        };
        match from_json.as_ref().or(config.get("chat_template")) {
            Some(Value::String(text)) if default.is_none() => default = Some(text.clone()),
            Some(Value::Array(named)) => {
                let find = |wanted: &str| {
                    let entry = named.iter().find(|entry| entry["name"] == wanted)?;
                    entry["template"].as_str().map(str::to_owned)
                };
                default = default.or_else(|| find("default"));
                tool_use = tool_use.or_else(|| find("tool_use"));
            }
            _ => {}
        }
        match default.or_else(|| tool_use.clone()) {
            Some(default) => Self::new(default, tool_use, tokens).map(Some),
            None => Ok(None),
        }
    }

    /// The ChatML template.
    #[must_use]
    pub fn chatml() -> Self {
        let default = NamedText {
            text: CHATML.to_owned(),
            hash: 0,
        };
        Self {
            inner: Arc::new(Inner {
                default,
                tool_use: None,
                tokens: Map::new(),
            }),
            clock: Arc::new(SystemClock),
        }
    }

    /// The same template with another idea of the time, for `strftime_now`.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The text of the template (the default one, where there are several).
    #[must_use]
    pub fn source(&self) -> &str {
        &self.inner.default.text
    }

    /// The text that serves requests with tools.
    #[must_use]
    pub fn source_with_tools(&self) -> &str {
        let tool_use = self.inner.tool_use.as_ref();
        &tool_use.unwrap_or(&self.inner.default).text
    }

    /// Renders in this process.
    ///
    /// # Errors
    /// [`ModelError::Template`] with the template's own message.
    pub fn render(&self, request: &RenderRequest) -> Result<String, ModelError> {
        self.render_within(request, STEPS)
    }

    /// As [`Self::render`], in so many steps of the template machine. The usual number lets a
    /// hostile template run for seconds, which is too long where many are tried.
    ///
    /// # Errors
    /// [`ModelError::Template`] with the template's own message, or that it takes too many steps.
    pub fn render_within(&self, request: &RenderRequest, steps: u64) -> Result<String, ModelError> {
        let rendering = Rendering::new(&self.text_for(request).text, steps)?;
        rendering.render(request, self.tokens(), self.now())
    }

    /// The text that serves this request.
    pub(super) fn text_for(&self, request: &RenderRequest) -> &NamedText {
        match &self.inner.tool_use {
            Some(tool_use) if request.tools.is_some() => tool_use,
            _ => &self.inner.default,
        }
    }

    /// The special tokens, by the variables' names.
    pub(super) fn tokens(&self) -> &Map<String, Value> {
        &self.inner.tokens
    }

    /// Seconds since 1970.
    pub(super) fn now(&self) -> i64 {
        self.clock.unix_seconds().try_into().unwrap_or(i64::MAX)
    }
}

impl fmt::Debug for ChatTemplate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ChatTemplate")
            .field("bytes", &self.inner.default.text.len())
            .field("has_tool_use", &self.inner.tool_use.is_some())
            .finish_non_exhaustive()
    }
}

/// The text of a file; `None` if there is no such file.
fn read_text(path: &Path) -> Result<Option<String>, ModelError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(ModelError::Unreadable {
            path: path.to_owned(),
            source,
        }),
    }
}

fn read_json(path: &Path) -> Result<Option<Value>, ModelError> {
    let Some(text) = read_text(path)? else {
        return Ok(None);
    };
    serde_json::from_str(&text)
        .map(Some)
        .map_err(|error| ModelError::InvalidFile {
            path: path.to_owned(),
            reason: format!("not JSON: {error}"),
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::weights::{MetadataArray, MetadataValue};
    use indexmap::IndexMap;
    use serde_json::json;

    /// What a template says without and with tools.
    fn said(template: &ChatTemplate) -> (String, String) {
        let mut request = RenderRequest {
            messages: vec![json!({ "role": "user", "content": "hi" })],
            ..RenderRequest::default()
        };
        let plain = template.render(&request).unwrap();
        request.tools = Some(Vec::new());
        (plain, template.render(&request).unwrap())
    }

    fn pair(plain: &str, with_tools: &str) -> (String, String) {
        (plain.to_owned(), with_tools.to_owned())
    }

    #[test]
    fn a_gguf_file_has_templates_and_tokens() {
        let text = |text: &str| MetadataValue::String(text.to_owned());
        let mut entries = IndexMap::new();
        assert!(
            ChatTemplate::from_gguf(&Metadata::new(entries.clone()))
                .unwrap()
                .is_none()
        );
        let vocabulary = ["<s>", "</s>"].map(str::to_owned).to_vec();
        entries.extend([
            (
                "tokenizer.chat_template".to_owned(),
                text("{{ bos_token }}{{ eos_token }}{{ pad_token }}"),
            ),
            (
                "tokenizer.ggml.tokens".to_owned(),
                MetadataValue::Array(MetadataArray::String(vocabulary)),
            ),
            (
                "tokenizer.ggml.bos_token_id".to_owned(),
                MetadataValue::U32(0),
            ),
            (
                "tokenizer.ggml.eos_token_id".to_owned(),
                MetadataValue::U32(1),
            ),
            (
                "tokenizer.ggml.padding_token_id".to_owned(),
                MetadataValue::U32(7),
            ),
        ]);
        let template = ChatTemplate::from_gguf(&Metadata::new(entries.clone()))
            .unwrap()
            .unwrap();
        assert_eq!(said(&template), pair("<s></s>", "<s></s>"));
        entries.insert("tokenizer.chat_template.tool_use".to_owned(), text("tools"));
        let template = ChatTemplate::from_gguf(&Metadata::new(entries))
            .unwrap()
            .unwrap();
        assert_eq!(said(&template), pair("<s></s>", "tools"));
    }

    #[test]
    fn a_folder_has_templates_in_several_places() {
        let folder = tempfile::tempdir().unwrap();
        let write =
            |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        let read = || ChatTemplate::from_directory(folder.path()).unwrap();
        assert!(read().is_none());
        write(
            "tokenizer_config.json",
            r#"{"bos_token": {"content": "<s>"}, "eos_token": null}"#,
        );
        assert!(read().is_none());
        write(
            "tokenizer_config.json",
            r#"{"bos_token": {"content": "<s>"}, "chat_template": [
                {"name": "default", "template": "{{ bos_token }}d"},
                {"name": "tool_use", "template": "t"}]}"#,
        );
        assert_eq!(
            read().map(|template| said(&template)),
            Some(pair("<s>d", "t"))
        );
        write(
            "tokenizer_config.json",
            r#"{"bos_token": "<s>", "chat_template": "{{ bos_token }}c"}"#,
        );
        assert_eq!(
            read().map(|template| said(&template)),
            Some(pair("<s>c", "<s>c"))
        );
        write("chat_template.json", r#"{"chat_template": "json"}"#);
        assert_eq!(
            read().map(|template| said(&template)),
            Some(pair("json", "json"))
        );
        write("chat_template.jinja", "{{ bos_token }}file");
        std::fs::create_dir(folder.path().join("additional_chat_templates")).unwrap();
        write("additional_chat_templates/tool_use.jinja", "more");
        assert_eq!(
            read().map(|template| said(&template)),
            Some(pair("<s>file", "more"))
        );
        write("tokenizer_config.json", "{");
        assert!(ChatTemplate::from_directory(folder.path()).is_err());
    }

    #[test]
    fn a_rendering_ends_after_its_steps() {
        let source = "{% for a in range(1000) %}{{ a }}{% endfor %}";
        let template = ChatTemplate::from_source(source, None, None).unwrap();
        let request = RenderRequest::default();
        assert!(template.render_within(&request, 100_000).is_ok());
        let error = template.render_within(&request, 1000).unwrap_err();
        assert!(error.to_string().contains("too many steps"), "{error}");
    }

    #[test]
    fn chatml_is_what_it_is_known_for() {
        let request = RenderRequest {
            messages: vec![
                json!({ "role": "system", "content": "Be brief." }),
                json!({ "role": "user", "content": "Hi" }),
            ],
            add_generation_prompt: true,
            ..RenderRequest::default()
        };
        assert_eq!(
            ChatTemplate::chatml().render(&request).unwrap(),
            "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n\
             <|im_start|>assistant\n"
        );
    }
}
