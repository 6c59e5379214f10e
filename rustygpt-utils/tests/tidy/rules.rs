//! The rules: each takes the repository's files and returns its complaints.

use super::tree::Tree;

/// Which crate may depend on which. A new arrow is a new word here and a sentence in `dev.md`.
const ARROWS: [(&str, &[&str]); 7] = [
    ("rustygpt-common", &[]),
    ("rustygpt-utils", &[]),
    ("rustygpt-db", &["rustygpt-utils"]),
    ("rustygpt-model", &["rustygpt-common", "rustygpt-utils"]),
    (
        "rustygpt-orchestrator",
        &[
            "rustygpt-common",
            "rustygpt-utils",
            "rustygpt-db",
            "rustygpt-model",
        ],
    ),
    (
        "rustygpt-api",
        &[
            "rustygpt-common",
            "rustygpt-utils",
            "rustygpt-db", // in its tests, which need a store that is one
            "rustygpt-model",
            "rustygpt-orchestrator",
        ],
    ),
    (
        "rustygpt-cli",
        &[
            "rustygpt-common",
            "rustygpt-utils",
            "rustygpt-db",
            "rustygpt-model",
            "rustygpt-orchestrator",
            "rustygpt-api",
        ],
    ),
];

const LONGEST_FILE: usize = 600;
const EMPTY_NAMES: [&str; 6] = ["core", "services", "service", "helpers", "manager", "misc"];

/// Every dependency table of a manifest: `(table's name, dependency's name, its value)`.
fn dependencies(manifest: &toml::Table) -> Vec<(String, toml::Value)> {
    const TABLES: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];
    let targets = manifest.get("target").and_then(toml::Value::as_table);
    let targets = targets
        .into_iter()
        .flat_map(|t| t.values().filter_map(toml::Value::as_table));
    std::iter::once(manifest)
        .chain(targets)
        .flat_map(|table| {
            TABLES
                .iter()
                .filter_map(|name| table.get(*name)?.as_table())
        })
        .flat_map(|table| {
            table
                .iter()
                .map(|(name, value)| (name.clone(), value.clone()))
        })
        .collect()
}

/// The manifests of the workspace's members.
fn manifests(tree: &Tree) -> Vec<(&str, toml::Table)> {
    tree.files()
        .filter(|f| f.path.ends_with("/Cargo.toml") && !f.path.contains("fuzz/"))
        .map(|f| {
            (
                f.path.as_str(),
                f.text.parse().unwrap_or_else(|e| panic!("{}: {e}", f.path)),
            )
        })
        .collect()
}

pub(crate) fn arrows(tree: &Tree) -> Vec<String> {
    let mut complaints = Vec::new();
    for (path, manifest) in manifests(tree) {
        let name = manifest["package"]["name"].as_str().unwrap();
        let Some((_, allowed)) = ARROWS.iter().find(|(from, _)| *from == name) else {
            complaints.push(format!("{path}: {name} is not in the table of arrows"));
            continue;
        };
        for (to, _) in dependencies(&manifest) {
            // A crate's own tests may ask for a feature of it.
            let is_allowed = to == name || allowed.contains(&to.as_str());
            if to.starts_with("rustygpt") && !is_allowed {
                complaints.push(format!("{path}: no arrow leads from {name} to {to}"));
            }
        }
    }
    complaints
}

pub(crate) fn versions(tree: &Tree) -> Vec<String> {
    let mut complaints = Vec::new();
    for (path, manifest) in manifests(tree) {
        for (name, value) in dependencies(&manifest) {
            if value.get("workspace").and_then(toml::Value::as_bool) != Some(true) {
                complaints.push(format!("{path}: {name} must be {{ workspace = true }}"));
            }
        }
    }
    let root = tree.get("Cargo.toml").map_or("", |file| file.text.as_str());
    let section = root
        .lines()
        .skip_while(|line| *line != "[workspace.dependencies]")
        .skip(1);
    for line in section.take_while(|line| !line.starts_with('[')) {
        if line.contains(" = ") && !line.contains("path = ") && !line.contains(" # ") {
            complaints.push(format!("Cargo.toml: no reason beside: {line}"));
        }
    }
    complaints
}

pub(crate) fn file_size(tree: &Tree) -> Vec<String> {
    let measured = |path: &str| path.ends_with(".rs") || path.ends_with(".sh");
    let excepted = |path: &str| path.contains("/tests/") || path.contains("/candle/families/");
    tree.files()
        .filter(|file| measured(&file.path) && !excepted(&file.path))
        .map(|file| (&file.path, file.text.lines().count()))
        .filter(|(_, lines)| *lines > LONGEST_FILE)
        .map(|(path, lines)| format!("{path}: {lines} lines; split it ({LONGEST_FILE} at most)"))
        .collect()
}

pub(crate) fn names(tree: &Tree) -> Vec<String> {
    let says_nothing = |component: &str| {
        let stem = component.split('.').next().unwrap_or(component);
        stem.split(['_', '-'])
            .any(|word| EMPTY_NAMES.contains(&word))
            || ["utils", "util", "common"].contains(&stem)
    };
    tree.files()
        .filter(|file| file.path.split('/').any(says_nothing))
        .map(|file| {
            format!(
                "{}: the name says nothing; name the act or the noun",
                file.path
            )
        })
        .collect()
}

pub(crate) fn candle(tree: &Tree) -> Vec<String> {
    let home = "rustygpt-model/src/candle/";
    let code = tree
        .rust()
        .filter(|file| !file.path.starts_with(home) && file.is_shipped_rust())
        .filter(|file| file.code().iter().any(|line| line.contains("candle_")))
        .map(|file| format!("{}: only {home} speaks of candle's crates", file.path));
    let crates = manifests(tree).into_iter().flat_map(|(path, manifest)| {
        let names = dependencies(&manifest).into_iter().map(|(name, _)| name);
        names
            .filter(|name| name.starts_with("candle") && !path.starts_with("rustygpt-model/"))
            .map(|name| format!("{path}: only rustygpt-model may depend on {name}"))
            .collect::<Vec<_>>()
    });
    code.chain(crates).collect()
}

pub(crate) fn sql(tree: &Tree) -> Vec<String> {
    let home = "rustygpt-db/";
    let code = tree
        .rust()
        .filter(|file| !file.path.starts_with(home))
        .filter(|file| file.code().iter().any(|line| has_word(line, "sqlx")))
        .map(|file| format!("{}: only {home} speaks SQL", file.path));
    let crates = manifests(tree).into_iter().flat_map(|(path, manifest)| {
        let names = dependencies(&manifest).into_iter().map(|(name, _)| name);
        names
            .filter(|name| ["sqlx", "rusqlite", "libsqlite3-sys"].contains(&name.as_str()))
            .filter(|_| !path.starts_with(home))
            .map(|name| format!("{path}: only {home} may depend on {name}"))
            .collect::<Vec<_>>()
    });
    code.chain(crates).collect()
}

pub(crate) fn unsafe_code(tree: &Tree) -> Vec<String> {
    const HOMES: [&str; 2] = ["rustygpt-model/src/candle/", "rustygpt-model/src/weights/"];
    // A note may stand above a run of lines that belong to it.
    const NOTE_WITHIN: usize = 6;
    let mut complaints = Vec::new();
    for file in tree.rust().filter(|file| !file.path.starts_with("fuzz/")) {
        let lines: Vec<&str> = file.text.lines().collect();
        for (number, line) in file.code().iter().enumerate() {
            if !has_word(line, "unsafe") {
                continue;
            }
            let place = format!("{}:{}", file.path, number + 1);
            if !HOMES.iter().any(|home| file.path.starts_with(home)) {
                complaints.push(format!("{place}: unsafe outside {}", HOMES.join(" and ")));
                continue;
            }
            let above = &lines[number.saturating_sub(NOTE_WITHIN)..=number];
            let noted = above
                .iter()
                .any(|l| l.contains("SAFETY") || l.contains("# Safety"));
            // Calling conventions and function types are no acts.
            let is_type = line.contains("unsafe extern") || line.contains("unsafe fn(");
            if !noted && !is_type {
                complaints.push(format!("{place}: unsafe without a SAFETY note"));
            }
        }
    }
    complaints
}

fn has_word(line: &str, word: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        !line[..at].ends_with(is_word) && !line[at + word.len()..].starts_with(is_word)
    })
}

pub(crate) fn status_codes(tree: &Tree) -> Vec<String> {
    // The command line reads the status codes of others; it answers no one.
    let answers = |path: &str| !path.starts_with("rustygpt-cli/");
    let is_home = |path: &str| {
        path == "rustygpt-api/src/error.rs" || path.starts_with("rustygpt-api/src/error/")
    };
    tree.rust()
        .filter(|file| file.is_shipped_rust() && answers(&file.path) && !is_home(&file.path))
        .filter(|file| {
            file.shipped_code()
                .iter()
                .any(|line| has_word(line, "StatusCode"))
        })
        .map(|file| format!("{}: only api/error.rs chooses status codes", file.path))
        .collect()
}

pub(crate) fn lint_attributes(tree: &Tree) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in tree.rust() {
        // Attributes may span lines; strings are blanked, so a reason is `reason =`.
        let code = file.code().join("\n");
        for (at, _) in code.match_indices("#[").chain(code.match_indices("#![")) {
            let attribute = code[at..].split_once(']').map_or("", |(head, _)| head);
            if has_word(attribute, "allow") && attribute.contains("allow(") {
                complaints.push(format!("{}: use expect, not {attribute}]", file.path));
            }
            if has_word(attribute, "expect")
                && attribute.contains("expect(")
                && !has_word(attribute, "reason")
            {
                complaints.push(format!("{}: no reason in {attribute}]", file.path));
            }
        }
    }
    complaints
}

pub(crate) fn print_macros(tree: &Tree) -> Vec<String> {
    const MACROS: [&str; 5] = ["println!", "print!", "eprintln!", "eprint!", "dbg!"];
    tree.rust()
        .filter(|file| file.is_shipped_rust())
        .flat_map(|file| {
            let lines = file.shipped_code().into_iter().enumerate();
            lines
                .filter(|(_, line)| MACROS.iter().any(|name| line.contains(name)))
                .map(|(number, line)| {
                    format!(
                        "{}:{}: {}: use a writer or tracing",
                        file.path,
                        number + 1,
                        line.trim()
                    )
                })
                .collect::<Vec<_>>()
        })
        .collect()
}

pub(crate) fn leftovers(tree: &Tree) -> Vec<String> {
    // Written in two parts so that this file does not find itself.
    let words = [
        ["TO", "DO"].concat(),
        ["FIX", "ME"].concat(),
        ["X", "XX"].concat(),
    ];
    tree.files()
        .filter(|file| file.path != "COPILOT_INSTRUCTIONS.md")
        .filter(|file| {
            let is_left = |line: &str| words.iter().any(|word| has_word(line, word));
            file.text.lines().any(is_left)
        })
        .map(|file| {
            format!(
                "{}: something is left for later; do it or open an issue",
                file.path
            )
        })
        .collect()
}

pub(crate) fn recipes(tree: &Tree) -> Vec<String> {
    let Some(justfile) = tree.get("justfile") else {
        return Vec::new();
    };
    let recipe_lines = justfile
        .text
        .lines()
        .filter(|line| line.starts_with([' ', '\t']));
    recipe_lines
        .map(str::trim)
        .filter(|line| !line.starts_with("./scripts/") && !line.starts_with("@just --list"))
        .map(|line| format!("justfile: recipes only call scripts: {line}"))
        .collect()
}

pub(crate) fn documents(tree: &Tree) -> Vec<String> {
    const NEEDED: [(&str, &[&str]); 9] = [
        (
            "README.md",
            &["./scripts/up.sh", "./scripts/test.sh", "dev.md", "macOS"],
        ),
        ("dev.md", &["Invariant:", "Code map", "One chat request"]),
        ("COPILOT_INSTRUCTIONS.md", &["#[expect"]),
        ("LICENSE", &["MIT OR Apache-2.0"]),
        ("LICENSE-MIT", &["MIT License"]),
        ("LICENSE-APACHE", &["Apache License"]),
        ("docs/configuration.md", &["RUSTYGPT_"]),
        ("docs/copilot.md", &["VS Code"]),
        ("docs/models.md", &["GGUF"]),
    ];
    let mut complaints = Vec::new();
    for (path, words) in NEEDED {
        match tree.get(path) {
            None => complaints.push(format!("{path} is missing")),
            Some(file) => complaints.extend(
                words
                    .iter()
                    .filter(|word| !file.text.contains(**word))
                    .map(|word| format!("{path}: does not say '{word}'")),
            ),
        }
    }
    let map = tree.get("dev.md").map_or("", |file| file.text.as_str());
    complaints.extend(
        ARROWS
            .iter()
            .filter(|(name, _)| !map.contains(&format!("`{name}`")))
            .map(|(name, _)| format!("dev.md: the code map lacks `{name}`")),
    );
    complaints.extend(dead_paths(tree, map));
    for file in tree
        .rust()
        .filter(|file| file.path.ends_with("/src/lib.rs"))
    {
        if !file.text.starts_with("//!") {
            complaints.push(format!(
                "{}: the crate does not say what it is for",
                file.path
            ));
        }
    }
    complaints
}

/// The paths in `dev.md` that lead nowhere.
fn dead_paths(tree: &Tree, map: &str) -> Vec<String> {
    let quoted = map.split('`').skip(1).step_by(2);
    quoted
        .map(|text| text.trim_start_matches("./"))
        .filter(|text| text.contains('/') && !text.contains(char::is_whitespace))
        .filter(|text| {
            ["rustygpt-", "scripts/"]
                .iter()
                .any(|p| text.starts_with(p))
        })
        .filter(|path| {
            let inside = |file: &str| file == *path || file.starts_with(&format!("{path}/"));
            !tree.files().any(|file| inside(&file.path))
        })
        .map(|path| format!("dev.md: there is no {path}"))
        .collect()
}
