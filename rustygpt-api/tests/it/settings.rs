//! Settings that count while the server runs.

use super::accounts::{Person, problem};
use super::server::{Answer, Server, Setup};
use reqwest::Method;
use rustygpt_db::store::{Act, Principal, Timestamp};
use rustygpt_model::scripted::Script;
use rustygpt_orchestrator::access::Role;
use rustygpt_orchestrator::settings::{FixedSetting, Layers, Place};
use serde_json::{Value, json};

/// A server of which something was said outside the store, and its administrator.
async fn server() -> (Server, Person) {
    let mut layers = Layers::new(vec![FixedSetting {
        name: "port".to_owned(),
        value: "7878".to_owned(),
        source: "flag --port".to_owned(),
    }]);
    let variable = Place::Environment("RUSTYGPT_SIGN_UP".to_owned());
    layers.give("sign_up", json!("invite"), variable).unwrap();
    let file = Place::File("config.toml".to_owned());
    layers.give("max_tokens", json!(5), file).unwrap();
    let mut setup = Setup::new(Script::answering("one two three four five six seven eight"));
    setup.accounts = true;
    setup.settings = layers;
    let server = setup.start().await;
    let admin = server.resident("admin@example.org", Role::Admin).await;
    (server, admin)
}

async fn setting(server: &Server, admin: &Person, name: &str) -> Value {
    let list = server.by(&admin.token, Method::GET, "/api/admin/settings");
    let list = Answer::of(list).await.json();
    let mut list = list.as_array().unwrap().iter();
    list.find(|one| one["name"] == name).unwrap().clone()
}

async fn put(server: &Server, admin: &Person, name: &str, value: Value) -> Answer {
    let path = format!("/api/admin/settings/{name}");
    let request = server.by(&admin.token, Method::PUT, &path);
    Answer::of(request.json(&json!({"value": value}))).await
}

#[tokio::test]
async fn each_value_says_where_it_comes_from_and_what_is_pinned_stays() {
    let (server, admin) = server().await;
    let shown = |value: Value, source: &str, is_changeable: bool| {
        let mut shown = json!({"value": value, "source": source, "revision": 0});
        shown["is_changeable"] = json!(is_changeable);
        shown
    };
    for (name, wanted) in [
        (
            "sign_up",
            shown(json!("invite"), "environment RUSTYGPT_SIGN_UP", false),
        ),
        ("max_tokens", shown(json!(5), "file config.toml", true)),
        ("keep_tasks_days", shown(json!(30), "default", true)),
        ("port", shown(json!("7878"), "flag --port", false)),
    ] {
        let mut found = setting(&server, &admin, name).await;
        found.as_object_mut().unwrap().remove("name");
        assert_eq!(found, wanted, "{name}");
    }
    for (name, value, status, says) in [
        (
            "sign_up",
            json!("open"),
            409,
            "environment RUSTYGPT_SIGN_UP",
        ),
        ("port", json!(1), 409, "when the server starts"),
        ("sing_up", json!("open"), 404, "no such setting"),
        ("max_tokens", json!(0), 400, "from 1 to 16777216"),
        ("temperature", json!("hot"), 400, "from 0 to 2"),
    ] {
        let refused = put(&server, &admin, name, value).await;
        assert_eq!(problem(&refused).0, status, "{}", refused.text);
        assert!(refused.text.contains(says), "{}", refused.text);
    }
}

#[tokio::test]
async fn a_change_counts_for_the_next_request() {
    let (server, admin) = server().await;
    let written = async || {
        let answer = server.answer(json!({})).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let ignored = answer.header("x-rustygpt-ignored");
        assert_eq!(ignored, None, "nobody said how long it should be");
        answer.json()["usage"]["completion_tokens"]
            .as_u64()
            .unwrap()
    };
    assert_eq!(written().await, 5);
    let changed = put(&server, &admin, "max_tokens", json!(3)).await;
    assert_eq!(changed.status, 204, "{}", changed.text);
    assert_eq!(written().await, 3);
    let kept = setting(&server, &admin, "max_tokens").await;
    assert_eq!(
        (&kept["source"], &kept["revision"]),
        (&json!("store"), &json!(1))
    );
    // Another process changes it: the server looks every second, here at once.
    let people = server.people.as_ref().unwrap();
    let act = Act::new(Principal::Server, Timestamp(0), "setting.change", "test");
    let change = people.store.change_setting("max_tokens", "2", None, &act);
    change.await.unwrap();
    people.accounts.look_out().await.unwrap();
    assert_eq!(written().await, 2);
    let path = "/api/admin/settings/max_tokens";
    let removed = Answer::of(server.by(&admin.token, Method::DELETE, path)).await;
    assert_eq!(removed.status, 204, "{}", removed.text);
    assert_eq!(written().await, 5, "the file counts again");
    let audit = server.by(
        &admin.token,
        Method::GET,
        "/api/admin/audit?action=setting.",
    );
    let audit = Answer::of(audit).await.json();
    let acts: Vec<&Value> = audit
        .as_array()
        .unwrap()
        .iter()
        .map(|e| &e["action"])
        .collect();
    assert_eq!(acts, ["setting.change", "setting.change", "setting.remove"]);
}
