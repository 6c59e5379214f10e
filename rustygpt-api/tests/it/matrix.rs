//! The access matrix: every operation of the OpenAPI document by everybody there can be, however
//! they prove themselves. An operation without a rule here fails the build.
//!
//! Seen to fail when a cookie counted without its proof, and when `authorize` let a read-only
//! account change itself.

use super::accounts::{Person, town};
use super::server::{Answer, KEY, Server, chat_body};
use reqwest::{Method, RequestBuilder};
use rustygpt_orchestrator::access::{Caller, Role};
use rustygpt_orchestrator::accounts::{AccountState, Whence};
use serde_json::{Value, json};

/// Who may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    /// Everybody, also without a word.
    Public,
    /// Whoever may look at models: the scopes inference or read.
    Look,
    /// Whoever may have them answer: the scope inference, and no read-only account.
    Generate,
    /// Whoever has an account and the scope read.
    ReadOwn,
    /// Whoever has an account that may change things, and the scope write.
    WriteOwn,
    /// Whoever signed in in person.
    InPerson,
    /// Administrators, with the scope admin.
    Administer,
}

const RULES: [(&str, Rule); 79] = [
    ("create_chat_completion", Rule::Generate),
    ("create_completion", Rule::Generate),
    ("create_moderation", Rule::Look),
    ("tokenize", Rule::Generate),
    ("detokenize", Rule::Generate),
    ("apply_template", Rule::Generate),
    ("create_message", Rule::Generate),
    ("count_message_tokens", Rule::Generate),
    ("ollama_version", Rule::Look),
    ("ollama_tags", Rule::Look),
    ("ollama_show", Rule::Look),
    ("ollama_ps", Rule::Look),
    ("ollama_chat", Rule::Generate),
    ("ollama_generate", Rule::Generate),
    ("ollama_embed", Rule::Generate),
    ("ollama_embeddings", Rule::Generate),
    ("create_embedding", Rule::Generate),
    ("list_models", Rule::Look),
    ("retrieve_model", Rule::Look),
    ("get_health", Rule::Public),
    ("get_ready", Rule::Public),
    ("get_status", Rule::Look),
    ("get_metrics", Rule::Look),
    ("get_openapi", Rule::Look),
    ("show_docs", Rule::Public),
    ("get_docs_file", Rule::Public),
    ("become_owner", Rule::Public),
    ("sign_up", Rule::Public),
    ("sign_in", Rule::Public),
    ("enter", Rule::Public),
    ("refresh", Rule::Public),
    ("reset_password", Rule::Public),
    ("sign_out", Rule::InPerson),
    ("list_issuers", Rule::Public),
    ("begin_sign_in_elsewhere", Rule::Public),
    ("return_from_issuer", Rule::Public),
    ("return_from_issuer_by_form", Rule::Public),
    ("finish_sign_in", Rule::Public),
    ("list_identities", Rule::InPerson),
    ("link_identity", Rule::InPerson),
    ("unlink_identity", Rule::InPerson),
    ("get_account", Rule::ReadOwn),
    ("rename_account", Rule::WriteOwn),
    ("delete_account", Rule::InPerson),
    ("export_account", Rule::InPerson),
    ("get_usage", Rule::ReadOwn),
    ("change_password", Rule::InPerson),
    ("offer_second_factor", Rule::InPerson),
    ("set_second_factor", Rule::InPerson),
    ("remove_second_factor", Rule::InPerson),
    ("list_sign_ins", Rule::InPerson),
    ("end_other_sign_ins", Rule::InPerson),
    ("end_sign_in", Rule::InPerson),
    ("list_keys", Rule::InPerson),
    ("create_key", Rule::InPerson),
    ("revoke_key", Rule::InPerson),
    ("list_keys_of", Rule::Administer),
    ("create_key_for", Rule::Administer),
    ("revoke_any_key", Rule::Administer),
    ("list_accounts", Rule::Administer),
    ("add_account", Rule::Administer),
    ("get_account_of", Rule::Administer),
    ("change_account", Rule::Administer),
    ("delete_account_of", Rule::Administer),
    ("offer_reset", Rule::Administer),
    ("end_sign_ins_of", Rule::Administer),
    ("invite", Rule::Administer),
    ("list_settings", Rule::Administer),
    ("change_setting", Rule::Administer),
    ("remove_setting", Rule::Administer),
    ("list_usage", Rule::Administer),
    ("list_audit", Rule::Administer),
    ("list_audit_files", Rule::Administer),
    ("export_audit", Rule::Administer),
    ("download_audit_file", Rule::Administer),
    ("list_tasks", Rule::Administer),
    ("get_task", Rule::Administer),
    ("retry_task", Rule::Administer),
    ("cancel_task", Rule::Administer),
];

/// How a request proves itself.
#[derive(Clone, Debug)]
enum Proof {
    Nothing,
    Bearer(String),
    Cookie(String, String),
}

/// Somebody who asks.
#[derive(Clone, Debug)]
struct Asker {
    name: String,
    proof: Proof,
    /// What they may, of all rules; empty: they are nobody.
    allowed: Vec<Rule>,
    is_known: bool,
}

const PERSON: [Rule; 6] = [
    Rule::Public,
    Rule::Look,
    Rule::Generate,
    Rule::ReadOwn,
    Rule::WriteOwn,
    Rule::InPerson,
];

fn without(rules: &[Rule], missing: &[Rule]) -> Vec<Rule> {
    rules
        .iter()
        .copied()
        .filter(|rule| !missing.contains(rule))
        .collect()
}

/// Makes a key of an account.
async fn key(server: &Server, person: &Person, scopes: &[&str]) -> (String, String) {
    let request = server.by(&person.token, Method::POST, "/api/account/keys");
    let made = Answer::of(request.json(&json!({"scopes": scopes})))
        .await
        .json();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    (text(&made["key"]["id"]), text(&made["secret"]))
}

/// Everybody there can be: three proofs each, where they have them.
async fn everybody(server: &Server, owner: &Person) -> Vec<Asker> {
    let all = ["inference", "read", "write", "admin"];
    let mut askers = Vec::new();
    let mut add = |name: &str, proof: Proof, allowed: &[Rule], is_known: bool| {
        askers.push(Asker {
            name: name.to_owned(),
            proof,
            allowed: allowed.to_vec(),
            is_known,
        });
    };
    let bearer = |text: &str| Proof::Bearer(text.to_owned());
    let cookie = |person: &Person| Proof::Cookie(person.cookies(), person.proof.clone());
    let nobody = [Rule::Public];
    add("anonymous", Proof::Nothing, &nobody, false);
    add("a wrong key", bearer("sk-rustygpt-0000"), &nobody, false);
    add(
        "a wrong token",
        bearer("eyJhbGciOiJub25lIn0.e30."),
        &nobody,
        false,
    );
    let local = [Rule::Public, Rule::Look, Rule::Generate];
    add("the local key", bearer(KEY), &local, true);

    let read_only = server.resident("read@example.org", Role::ReadOnly).await;
    let other = server.resident("other@example.org", Role::User).await;
    let admin = server.resident("admin@example.org", Role::Admin).await;
    let mut administrator = PERSON.to_vec();
    administrator.push(Rule::Administer);
    let reader = without(&PERSON, &[Rule::Generate, Rule::WriteOwn]);
    for (name, person, rules) in [
        ("read-only", &read_only, reader.as_slice()),
        ("owner", owner, &PERSON),
        ("other user", &other, &PERSON),
        ("admin", &admin, &administrator),
    ] {
        add(
            &format!("{name} by token"),
            bearer(&person.token),
            rules,
            true,
        );
        add(&format!("{name} by cookie"), cookie(person), rules, true);
        let (_, secret) = key(server, person, &all).await;
        let programs = without(rules, &[Rule::InPerson]);
        add(&format!("{name} by key"), bearer(&secret), &programs, true);
        let unproved = Proof::Cookie(person.cookies(), "x".to_owned());
        add(
            &format!("{name} by cookie without proof"),
            unproved,
            &nobody,
            false,
        );
    }
    for (scopes, rules) in [
        (&["inference"][..], &[Rule::Look, Rule::Generate][..]),
        (&["read"], &[Rule::Look, Rule::ReadOwn]),
        (&["write"], &[Rule::WriteOwn]),
        (&["admin"], &[Rule::Administer]),
    ] {
        let (_, secret) = key(server, &admin, scopes).await;
        let rules = [&nobody, rules].concat();
        add(
            &format!("admin's key for {scopes:?}"),
            bearer(&secret),
            &rules,
            true,
        );
    }
    let (_, secret) = key(server, &other, &["admin"]).await;
    add("a user's key for admin", bearer(&secret), &nobody, true);

    let (id, secret) = key(server, &other, &all).await;
    let path = format!("/api/account/keys/{id}");
    Answer::of(server.by(&other.token, Method::DELETE, &path)).await;
    add("a revoked key", bearer(&secret), &nobody, false);
    let left = server.sign_in("other@example.org").await;
    Answer::of(server.by(&left.token, Method::POST, "/api/auth/sign-out")).await;
    add("signed out by token", bearer(&left.token), &nobody, false);
    add("signed out by cookie", cookie(&left), &nobody, false);

    let disabled = server.resident("gone@example.org", Role::Admin).await;
    let (_, secret) = key(server, &disabled, &all).await;
    let accounts = &server.people.as_ref().unwrap().accounts;
    let id = rustygpt_orchestrator::access::AccountId(disabled.id.parse().unwrap());
    let state = AccountState::Disabled;
    let local = Caller::local_owner();
    accounts
        .change_state(&local, id, state, &Whence::default())
        .await
        .unwrap();
    add("disabled by token", bearer(&disabled.token), &nobody, false);
    add("disabled by cookie", cookie(&disabled), &nobody, false);
    add("disabled by key", bearer(&secret), &nobody, false);
    askers
}

/// An operation of the document, with ids of things that are there and are `owner`'s.
struct Operation {
    id: String,
    method: Method,
    path: String,
    body: Option<Value>,
}

fn operations(document: &Value, owner: &Person, key: &str) -> Vec<Operation> {
    let mut operations = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, described) in methods.as_object().unwrap() {
            let id = described["operationId"].as_str().unwrap();
            let of_path = match path.as_str() {
                "/api/account/sign-ins/{id}" => owner.sign_in.as_str(),
                "/api/account/keys/{id}" | "/api/admin/keys/{id}" => key,
                "/v1/models/{id}" => "parrot",
                _ => owner.id.as_str(),
            };
            operations.push(Operation {
                id: id.to_owned(),
                method: method.to_uppercase().parse().unwrap(),
                path: path
                    .replace("{id}", of_path)
                    .replace("{name}", "sign_up")
                    .replace("{file}", "page.js"),
                body: described["requestBody"].is_object().then(|| body_of(id)),
            });
        }
    }
    operations
}

/// A body that would do what the operation is for.
fn body_of(operation: &str) -> Value {
    let password = super::accounts::PASSWORD;
    match operation {
        "create_chat_completion" => chat_body(&json!({})),
        "create_embedding" => json!({"model": "parrot", "input": "x"}),
        "create_completion" | "tokenize" => json!({"model": "parrot", "prompt": "x"}),
        "detokenize" => json!({"model": "parrot", "tokens": [120]}),
        "apply_template" | "ollama_chat" => chat_body(&json!({})),
        "create_message" | "count_message_tokens" => chat_body(&json!({"max_tokens": 9})),
        "ollama_show" => json!({"model": "parrot"}),
        "ollama_generate" | "ollama_embeddings" => json!({"model": "parrot", "prompt": "x"}),
        "ollama_embed" => json!({"model": "parrot", "input": "x"}),
        "rename_account" => json!({"name": "Mallory"}),
        "delete_account" | "remove_second_factor" => json!({"password": password}),
        "change_password" => json!({"password": password, "new_password": "taken over!"}),
        "set_second_factor" => json!({"password": password, "offer": "", "code": "000000"}),
        "link_identity" => json!({"issuer": "github"}),
        "create_key" | "create_key_for" => json!({"scopes": ["admin"]}),
        "add_account" => json!({"email": "m@example.org", "role": "admin"}),
        "change_account" => json!({"state": "disabled"}),
        "change_setting" => json!({"value": "open"}),
        _ => json!({}),
    }
}

fn request(server: &Server, asker: &Asker, operation: &Operation) -> RequestBuilder {
    let request = server.anonymous(operation.method.clone(), &operation.path);
    let request = match &asker.proof {
        Proof::Nothing => request,
        Proof::Bearer(text) => request.bearer_auth(text),
        Proof::Cookie(cookies, proof) => {
            let request = request.header("cookie", cookies);
            request.header("x-rustygpt-proof", proof)
        }
    };
    match &operation.body {
        Some(body) => request.json(body),
        None => request,
    }
}

#[tokio::test]
async fn nobody_may_what_no_rule_lets_them() {
    let server = town().await;
    let owner = server.resident("owner@example.org", Role::User).await;
    let (owned_key, secret) = key(&server, &owner, &["read"]).await;
    let askers = everybody(&server, &owner).await;
    let document = server.get("/openapi.json").await.json();
    let operations = operations(&document, &owner, &owned_key);
    let mut pairs = 0;
    for operation in &operations {
        let rule = RULES.iter().find(|(id, _)| *id == operation.id);
        let Some((_, rule)) = rule else {
            panic!("{} has no rule: who may?", operation.id);
        };
        // What everybody may is tested where it is; here its bodies are empty.
        if *rule == Rule::Public {
            continue;
        }
        for asker in askers.iter().filter(|asker| !asker.allowed.contains(rule)) {
            let answer = Answer::of(request(&server, asker, operation)).await;
            let expected: &[u16] = match (asker.is_known, rule) {
                (false, _) => &[401],
                // What they may not use is not there for them; the local key has no account.
                (true, Rule::Generate | Rule::Look) => &[403, 404],
                (true, Rule::ReadOwn | Rule::WriteOwn | Rule::InPerson) => &[403, 404],
                (true, _) => &[403],
            };
            assert!(
                expected.contains(&answer.status),
                "{} {} by {}: {} {}",
                operation.method,
                operation.path,
                asker.name,
                answer.status,
                answer.text
            );
            pairs += 1;
        }
    }
    assert!(pairs > 900, "{pairs} pairs were tried");
    // None of it had an effect.
    let own = Answer::of(server.by(&owner.token, Method::GET, "/api/account"))
        .await
        .json();
    assert_eq!(
        (&own["name"], &own["state"]),
        (&json!("owner"), &json!("active"))
    );
    assert_eq!(
        Answer::of(server.by(&secret, Method::GET, "/api/account"))
            .await
            .status,
        200
    );
    for (id, _) in RULES {
        assert!(
            operations.iter().any(|operation| operation.id == *id),
            "{id} is no operation"
        );
    }
}

#[tokio::test]
async fn everybody_may_look_at_what_the_rules_let_them() {
    let server = town().await;
    let owner = server.resident("owner@example.org", Role::User).await;
    let (owned_key, _) = key(&server, &owner, &["read"]).await;
    let askers = everybody(&server, &owner).await;
    let document = server.get("/openapi.json").await.json();
    let operations = operations(&document, &owner, &owned_key);
    let looks = operations
        .iter()
        .filter(|operation| operation.method == Method::GET);
    // Of these nothing is there: no task, no file, and no issuer either.
    let absent = [
        "get_task",
        "download_audit_file",
        "begin_sign_in_elsewhere",
        "return_from_issuer",
    ];
    for operation in looks.filter(|operation| !absent.contains(&operation.id.as_str())) {
        let (_, rule) = RULES.iter().find(|(id, _)| *id == operation.id).unwrap();
        for asker in askers.iter().filter(|asker| asker.allowed.contains(rule)) {
            let answer = Answer::of(request(&server, asker, operation)).await;
            assert_eq!(answer.status, 200, "{} by {}", operation.path, asker.name);
        }
    }
}

/// What is somebody else's is answered to the letter as what is not there.
#[tokio::test]
async fn anothers_thing_is_as_good_as_absent() {
    let server = town().await;
    let owner = server.resident("owner@example.org", Role::User).await;
    let (owned_key, _) = key(&server, &owner, &["read"]).await;
    let absent = "01890000-0000-7000-8000-000000000000";
    for role in [Role::User, Role::ReadOnly, Role::Admin] {
        let other = server
            .resident(&format!("{role:?}@example.org"), role)
            .await;
        for (path, there) in [
            ("/api/account/sign-ins", &owner.sign_in),
            ("/api/account/keys", &owned_key),
        ] {
            let ask = async |id: &str| {
                let request = server.by(&other.token, Method::DELETE, &format!("{path}/{id}"));
                let answer = Answer::of(request).await;
                (answer.status, answer.text)
            };
            let (anothers, none) = (ask(there).await, ask(absent).await);
            assert_eq!(anothers, none, "{path} by {role:?}");
            assert_eq!(anothers.0, 404);
            assert_eq!(ask("..").await.0, 404);
            assert_eq!(ask("'; DROP TABLE account; --").await.0, 404);
        }
    }
    let ask = server.by(&owner.token, Method::GET, "/api/account");
    assert_eq!(Answer::of(ask).await.status, 200, "the owner is still in");
}
