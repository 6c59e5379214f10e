//! The files of the repository, and the Rust in them without comments and strings.

use std::fs;
use std::path::{Path, PathBuf};

/// One text file.
#[derive(Clone)]
pub(crate) struct SourceFile {
    /// Where, from the repository's root, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// All text files that people write.
pub(crate) struct Tree(Vec<SourceFile>);

pub(crate) fn file(path: &str, text: &str) -> SourceFile {
    SourceFile {
        path: path.to_owned(),
        text: text.to_owned(),
    }
}

impl<const N: usize> From<[SourceFile; N]> for Tree {
    fn from(files: [SourceFile; N]) -> Self {
        Self(files.into())
    }
}

const NOT_OURS: [&str; 7] = [
    "target",
    "node_modules",
    ".git",
    ".venv",
    ".coverage",
    "snapshots",
    "corpus",
];
const TEXT: [&str; 6] = ["rs", "toml", "md", "sh", "py", "mjs"];

impl Tree {
    pub(crate) fn of_the_repository() -> Self {
        let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
        let mut files = Vec::new();
        collect(&root, &root, &mut files);
        assert!(
            files.len() > 40,
            "the repository was not found at {}",
            root.display()
        );
        Self(files)
    }

    pub(crate) fn without(&self, path: &str) -> Self {
        Self(
            self.0
                .iter()
                .filter(|file| file.path != path)
                .cloned()
                .collect(),
        )
    }

    pub(crate) fn files(&self) -> impl Iterator<Item = &SourceFile> {
        self.0.iter()
    }

    pub(crate) fn get(&self, path: &str) -> Option<&SourceFile> {
        self.files().find(|file| file.path == path)
    }

    pub(crate) fn rust(&self) -> impl Iterator<Item = &SourceFile> {
        self.files().filter(|file| file.path.ends_with(".rs"))
    }
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<SourceFile>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_symlink() || NOT_OURS.contains(&name.as_str()) {
            continue;
        }
        if path.is_dir() {
            collect(root, &path, files);
            continue;
        }
        let is_text = path
            .extension()
            .is_some_and(|e| TEXT.contains(&e.to_str().unwrap()));
        if is_text || name == "justfile" || name.starts_with("LICENSE") {
            let path_text = path
                .strip_prefix(root)
                .unwrap()
                .to_str()
                .unwrap()
                .replace('\\', "/");
            files.push(SourceFile {
                path: path_text,
                text: fs::read_to_string(&path).unwrap(),
            });
        }
    }
}

impl SourceFile {
    /// Whether the file is part of what is shipped: not tests, benches, examples, fuzz targets.
    pub(crate) fn is_shipped_rust(&self) -> bool {
        self.path.ends_with(".rs")
            && self.path.contains("/src/")
            && !self.path.starts_with("fuzz/")
            && !self.path.contains("/fuzz/")
            && !self.path.ends_with("/tests.rs")
            && !self.path.contains("/tests/")
    }

    /// The code, line by line, with comments and the content of strings blanked out.
    pub(crate) fn code(&self) -> Vec<String> {
        blank(&self.text).lines().map(str::to_owned).collect()
    }

    /// [`Self::code`] up to the module of unit tests.
    pub(crate) fn shipped_code(&self) -> Vec<String> {
        let mut code = self.code();
        let end = code.iter().position(|line| line.trim() == "#[cfg(test)]");
        code.truncate(end.unwrap_or(code.len()));
        code
    }
}

/// Replaces comments and the insides of string literals by spaces; lines stay where they are.
fn blank(text: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    let starts = |at: usize, pattern: &str| {
        pattern
            .chars()
            .enumerate()
            .all(|(i, c)| characters.get(at + i) == Some(&c))
    };
    while at < characters.len() {
        let end = if starts(at, "//") {
            (at..characters.len())
                .find(|&i| characters[i] == '\n')
                .unwrap_or(characters.len())
        } else if starts(at, "/*") {
            end_of_block_comment(&characters, at)
        } else if let Some(end) = end_of_string(&characters, at) {
            end
        } else {
            out.push(characters[at]);
            at += 1;
            continue;
        };
        out.extend(
            characters[at..end]
                .iter()
                .map(|&c| if c == '\n' { '\n' } else { ' ' }),
        );
        at = end;
    }
    out
}

fn end_of_block_comment(characters: &[char], start: usize) -> usize {
    let mut depth = 0;
    let mut at = start;
    while at + 1 < characters.len() {
        match (characters[at], characters[at + 1]) {
            ('/', '*') => depth += 1,
            ('*', '/') => depth -= 1,
            _ => {
                at += 1;
                continue;
            }
        }
        at += 2;
        if depth == 0 {
            return at;
        }
    }
    characters.len()
}

/// Where the string or character literal that starts here ends, if one does.
fn end_of_string(characters: &[char], start: usize) -> Option<usize> {
    let is_word = |c: &char| c.is_alphanumeric() || *c == '_';
    let inside_a_word = start > 0 && is_word(&characters[start - 1]);
    let mut at = start;
    if !inside_a_word && matches!(characters[at], 'b' | 'c') {
        at += 1;
    }
    match characters.get(at)? {
        'r' if !inside_a_word || at > start => {
            let hashes = characters[at + 1..]
                .iter()
                .take_while(|c| **c == '#')
                .count();
            if characters.get(at + 1 + hashes) != Some(&'"') {
                return None;
            }
            let mut end = at + 2 + hashes;
            while end < characters.len() {
                let closes = characters[end] == '"'
                    && characters[end + 1..]
                        .iter()
                        .take(hashes)
                        .filter(|c| **c == '#')
                        .count()
                        == hashes;
                end += 1;
                if closes {
                    return Some(end + hashes);
                }
            }
            Some(end)
        }
        '"' => Some(end_of_quoted(characters, at, '"')),
        // A lifetime has no closing quote where a character would have one.
        '\'' if characters.get(at + 1) == Some(&'\\') || characters.get(at + 2) == Some(&'\'') => {
            Some(end_of_quoted(characters, at, '\''))
        }
        _ => None,
    }
}

fn end_of_quoted(characters: &[char], start: usize, quote: char) -> usize {
    let mut at = start + 1;
    while at < characters.len() {
        match characters[at] {
            '\\' => at += 2,
            c if c == quote => return at + 1,
            _ => at += 1,
        }
    }
    characters.len()
}

#[test]
fn comments_and_strings_are_blanked() {
    let text =
        "a // b\nc /* d /* e */ f */ g \"h\\\" i\" r#\"j \" k\"# 'l' '\\'' &'m n b\"o\" bar\"";
    assert_eq!(
        blank(text).split_whitespace().collect::<Vec<_>>(),
        ["a", "c", "g", "&'m", "n", "bar"]
    );
}
