//! `modules.json`: the chain of modules by which sentence-transformers turns a text into a vector.

use super::hugging_face::{invalid, read_object, read_text};
use crate::contract::ModelError;
use serde_json::Value;
use std::path::{Component, Path};

/// Real ones have three or four lines.
const LONGEST: u64 = 1 << 20;

/// One module of a chain.
#[derive(Clone, Debug, PartialEq)]
pub struct SentenceModule {
    /// Its class without the package, for example `Pooling`.
    pub class: String,
    /// Its `config.json`; the transformer's own is the directory's and is not repeated here.
    pub config: Option<Value>,
}

/// Reads the modules of a directory; `None` where it has no `modules.json`.
pub(super) fn read(folder: &Path) -> Result<Option<Vec<SentenceModule>>, ModelError> {
    let path = folder.join("modules.json");
    let Some(text) = read_text(&path, LONGEST)? else {
        return Ok(None);
    };
    let value: Value =
        serde_json::from_str(&text).map_err(|e| invalid(&path, format!("not JSON: {e}")))?;
    let modules = value
        .as_array()
        .ok_or_else(|| invalid(&path, "not a list of modules"))?;
    let module = |module: &Value| {
        let text = |key: &str| module.get(key).and_then(Value::as_str);
        let (Some(kind), Some(place)) = (text("type"), text("path")) else {
            return Err(invalid(&path, "a module without type or path"));
        };
        let is_plain = |component| matches!(component, Component::Normal(_));
        if place.contains(['\\', ':', '\0']) || !Path::new(place).components().all(is_plain) {
            let reason = format!("names a folder outside the model's: {place:?}");
            return Err(invalid(&path, reason));
        }
        let config = match place {
            "" => None,
            place => read_object(&folder.join(place).join("config.json"), LONGEST)?,
        };
        let class = kind.rsplit('.').next().unwrap_or(kind).to_owned();
        Ok(SentenceModule { class, config })
    };
    modules
        .iter()
        .map(module)
        .collect::<Result<_, _>>()
        .map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_read_with_their_configs_and_stay_in_their_folder() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(folder.path()).unwrap(), None);
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text);
        let modules = |place: &str| {
            format!(
                r#"[{{"path": "", "type": "sentence_transformers.models.Transformer"}},
                    {{"path": "{place}", "type": "sentence_transformers.models.Pooling"}}]"#
            )
        };
        std::fs::create_dir(folder.path().join("1_Pooling")).unwrap();
        write(
            "1_Pooling/config.json",
            r#"{"pooling_mode_cls_token": true}"#,
        )
        .unwrap();
        write("modules.json", &modules("1_Pooling")).unwrap();
        let read_modules = read(folder.path()).unwrap().unwrap();
        let classes: Vec<&str> = read_modules.iter().map(|m| m.class.as_str()).collect();
        assert_eq!(classes, ["Transformer", "Pooling"]);
        assert_eq!(
            read_modules[1].config.as_ref().unwrap()["pooling_mode_cls_token"],
            true
        );
        for place in ["../elsewhere", "/etc", "a/../.."] {
            write("modules.json", &modules(place)).unwrap();
            let error = read(folder.path()).unwrap_err().to_string();
            assert!(error.contains("outside the model's"), "{error}");
        }
    }
}
