//! The house rules that a test can hold. Each rule is a function from files to complaints, run on
//! the whole repository and, so that it is known to bite, on a sample that breaks it.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a rule that cannot read its files must fail"
)]

#[path = "tidy/rules.rs"]
mod rules;
#[path = "tidy/tree.rs"]
mod tree;

use tree::{Tree, file};

/// Runs one rule on the repository.
fn hold(rule: fn(&Tree) -> Vec<String>) {
    let complaints = rule(&Tree::of_the_repository());
    assert!(complaints.is_empty(), "\n  {}\n", complaints.join("\n  "));
}

/// Runs one rule on samples of one file each: those that break it and those that do not.
fn bite(rule: fn(&Tree) -> Vec<String>, breaking: &[(&str, &str)], fine: &[(&str, &str)]) {
    for (path, text) in breaking {
        let complaints = rule(&Tree::from([file(path, text)]));
        assert!(
            !complaints.is_empty(),
            "the rule lets this pass: {path}: {text}"
        );
        assert!(
            complaints[0].contains(path),
            "the complaint names no file: {complaints:?}"
        );
    }
    for (path, text) in fine {
        let complaints = rule(&Tree::from([file(path, text)]));
        assert!(
            complaints.is_empty(),
            "the rule is too strict: {complaints:?}"
        );
    }
}

#[test]
fn arrows_between_crates_are_those_of_the_table() {
    hold(rules::arrows);
    bite(
        rules::arrows,
        &[
            (
                "rustygpt-common/Cargo.toml",
                "[package]\nname = 'rustygpt-common'\n[dependencies]\nrustygpt-model = { workspace = true }",
            ),
            (
                "rustygpt-model/Cargo.toml",
                "[package]\nname = 'rustygpt-model'\n[target.'cfg(unix)'.dependencies]\nrustygpt-api = { workspace = true }",
            ),
            (
                "rustygpt-new/Cargo.toml",
                "[package]\nname = 'rustygpt-new'",
            ),
        ],
        &[(
            "rustygpt-model/Cargo.toml",
            "[package]\nname = 'rustygpt-model'\n[dependencies]\nrustygpt-common = { workspace = true }",
        )],
    );
}

#[test]
fn versions_stand_in_one_place_with_a_reason() {
    hold(rules::versions);
    bite(
        rules::versions,
        &[
            ("rustygpt-api/Cargo.toml", "[dependencies]\naxum = \"0.8\""),
            (
                "rustygpt-api/Cargo.toml",
                "[dev-dependencies]\naxum = { version = \"0.8\" }",
            ),
            ("Cargo.toml", "[workspace.dependencies]\naxum = \"0.8\""),
        ],
        &[
            (
                "Cargo.toml",
                "[workspace.dependencies]\naxum = \"0.8\" # HTTP routing",
            ),
            (
                "rustygpt-api/Cargo.toml",
                "[dependencies]\naxum = { workspace = true }",
            ),
        ],
    );
}

#[test]
fn files_are_short() {
    let long = "// line\n".repeat(601);
    let fits = "// line\n".repeat(600);
    hold(rules::file_size);
    bite(
        rules::file_size,
        &[
            ("rustygpt-api/src/router.rs", &long),
            ("scripts/up.sh", &long),
        ],
        &[
            ("rustygpt-api/src/router.rs", &fits),
            ("rustygpt-api/tests/it/chat.rs", &long),
            ("rustygpt-model/src/candle/families/llama.rs", &long),
        ],
    );
}

#[test]
fn no_file_or_folder_has_a_name_that_says_nothing() {
    hold(rules::names);
    bite(
        rules::names,
        &[
            ("rustygpt-api/src/helpers.rs", ""),
            ("rustygpt-model/src/core/mod.rs", ""),
            ("rustygpt-cli/src/model_manager.rs", ""),
            ("scripts/misc.sh", ""),
        ],
        &[
            ("rustygpt-utils/src/paths.rs", ""),
            ("rustygpt-api/src/score.rs", ""),
        ],
    );
}

#[test]
fn only_its_own_folder_speaks_of_the_tensor_library() {
    hold(rules::candle);
    bite(
        rules::candle,
        &[
            (
                "rustygpt-model/src/engine/thread.rs",
                "use candle_core::Tensor;",
            ),
            (
                "rustygpt-cli/Cargo.toml",
                "[dependencies]\ncandle-core = { workspace = true }",
            ),
        ],
        &[
            (
                "rustygpt-model/src/candle/mod.rs",
                "use candle_core::Tensor;",
            ),
            (
                "rustygpt-model/src/lib.rs",
                "// candle_core is not for us\npub mod candle;",
            ),
        ],
    );
}

#[test]
fn only_the_store_speaks_sql() {
    hold(rules::sql);
    bite(
        rules::sql,
        &[
            (
                "rustygpt-orchestrator/src/accounts.rs",
                "sqlx::query(\"SELECT 1\");",
            ),
            (
                "rustygpt-cli/Cargo.toml",
                "[package]\nname = 'rustygpt-cli'\n[dependencies]\nsqlx = { workspace = true }",
            ),
        ],
        &[("rustygpt-db/src/sqlite/mod.rs", "use sqlx::Row;")],
    );
}

#[test]
fn unsafe_code_has_two_homes_and_a_reason() {
    hold(rules::unsafe_code);
    bite(
        rules::unsafe_code,
        &[
            (
                "rustygpt-api/src/sse.rs",
                "// SAFETY: none\nfn f() { unsafe { g() } }",
            ),
            (
                "rustygpt-model/src/weights/map.rs",
                "fn f() {\n\n    unsafe { g() }\n}",
            ),
        ],
        &[
            (
                "rustygpt-model/src/weights/map.rs",
                "// SAFETY: g is pure\nlet a = unsafe { g() };",
            ),
            (
                "rustygpt-api/src/sse.rs",
                "//! no unsafe here\nlet a = \"unsafe\";",
            ),
        ],
    );
}

#[test]
fn only_the_error_file_chooses_status_codes() {
    hold(rules::status_codes);
    bite(
        rules::status_codes,
        &[
            (
                "rustygpt-api/src/v1/models.rs",
                "return StatusCode::NOT_FOUND.into_response();",
            ),
            ("rustygpt-orchestrator/src/chat.rs", "use http::StatusCode;"),
        ],
        &[
            ("rustygpt-api/src/error.rs", "use http::StatusCode;"),
            (
                "rustygpt-api/tests/it/chat.rs",
                "assert_eq!(status, StatusCode::OK);",
            ),
        ],
    );
}

#[test]
fn lints_are_expected_never_allowed() {
    hold(rules::lint_attributes);
    bite(
        rules::lint_attributes,
        &[
            (
                "rustygpt-api/src/router.rs",
                "#[allow(dead_code)]\nfn f() {}",
            ),
            ("rustygpt-api/tests/it/main.rs", "#![allow(dead_code)]"),
            (
                "rustygpt-api/src/router.rs",
                "#[cfg_attr(test, allow(dead_code))]",
            ),
            ("rustygpt-api/src/router.rs", "#[expect(dead_code)]"),
        ],
        &[(
            "rustygpt-api/src/router.rs",
            "#[expect(dead_code, reason = \"soon\")]",
        )],
    );
}

#[test]
fn only_tests_print() {
    hold(rules::print_macros);
    bite(
        rules::print_macros,
        &[
            (
                "rustygpt-cli/src/main.rs",
                "fn main() { println!(\"hello\"); }",
            ),
            ("rustygpt-cli/src/main.rs", "fn main() { dbg!(1); }"),
        ],
        &[
            (
                "rustygpt-cli/src/main.rs",
                "#[cfg(test)]\nmod tests { fn f() { println!(\"hello\"); } }",
            ),
            (
                "rustygpt-cli/tests/it/main.rs",
                "println!(\"skipped: no vocabulary\");",
            ),
        ],
    );
}

#[test]
fn nothing_is_left_for_later() {
    hold(rules::leftovers);
    let word = ["TO", "DO"].concat();
    bite(
        rules::leftovers,
        &[
            (
                "rustygpt-cli/src/main.rs",
                &format!("// {word}: write this"),
            ),
            ("docs/a.md", &word),
        ],
        &[("rustygpt-cli/src/main.rs", "// done")],
    );
}

#[test]
fn recipes_only_call_scripts() {
    hold(rules::recipes);
    bite(
        rules::recipes,
        &[("justfile", "check:\n    cargo test\n")],
        &[(
            "justfile",
            "check:\n    ./scripts/test.sh\ndefault:\n    @just --list\n",
        )],
    );
}

#[test]
fn the_documents_exist_and_are_about_this_house() {
    let tree = Tree::of_the_repository();
    let complaints = rules::documents(&tree);
    assert!(complaints.is_empty(), "\n  {}\n", complaints.join("\n  "));
    for missing in ["README.md", "dev.md", "LICENSE-MIT"] {
        let complaints = rules::documents(&tree.without(missing));
        assert!(
            complaints
                .iter()
                .any(|complaint| complaint.contains(missing)),
            "{complaints:?}"
        );
    }
    // The map leads to this very file; without it, one of its paths is dead.
    let rules_file = "rustygpt-utils/tests/tidy/rules.rs";
    let complaints = rules::documents(&tree.without(rules_file));
    assert_eq!(complaints, [format!("dev.md: there is no {rules_file}")]);
}
