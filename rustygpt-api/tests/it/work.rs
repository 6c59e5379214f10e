//! Tasks and what they leave: files of the audit log; and what everybody used.

use super::accounts::{Person, problem, town};
use super::server::{Answer, Server, chat_body};
use reqwest::Method;
use rustygpt_db::audit_file;
use rustygpt_orchestrator::access::Role;
use serde_json::{Value, json};

async fn get(server: &Server, by: &Person, path: &str) -> Answer {
    Answer::of(server.by(&by.token, Method::GET, path)).await
}

#[tokio::test]
async fn the_audit_log_is_exported_by_a_task_and_downloaded() {
    let server = town().await;
    let admin = server.resident("admin@example.org", Role::Admin).await;
    let folder = "/api/admin/audit/exports";
    assert_eq!(get(&server, &admin, folder).await.json(), json!([]));
    let asked = Answer::of(server.by(&admin.token, Method::POST, folder)).await;
    assert_eq!(asked.status, 200, "{}", asked.text);
    let id = asked.json()["id"].as_str().unwrap().to_owned();
    let task = format!("/api/admin/tasks/{id}");
    while get(&server, &admin, &task).await.json()["state"] != "done" {}
    let listed = get(&server, &admin, folder).await.json();
    let name = format!("export-{id}.jsonl");
    assert_eq!(listed[0]["name"], json!(name));
    let file = get(&server, &admin, &format!("{folder}/{name}")).await;
    assert_eq!(file.header("content-type"), Some("application/jsonl"));
    assert_eq!(listed[0]["bytes"], json!(file.text.len()));
    let verified = audit_file::verify(file.text.as_bytes()).unwrap();
    assert_eq!(verified.fault, None);
    assert!(file.text.contains("audit.export"), "who asked is in it");
    for name in ["none.jsonl", "..%2Fapi-key", "%2e%2e%2frustygpt.db", ".."] {
        let absent = get(&server, &admin, &format!("{folder}/{name}")).await;
        assert_eq!(absent.status, 404, "{name}: {}", absent.text);
    }

    for (query, found) in [
        ("state=done", 1),
        ("state=waiting", 0),
        ("kind=audit.export&state=done", 1),
        ("kind=other", 0),
    ] {
        let tasks = get(&server, &admin, &format!("/api/admin/tasks?{query}")).await;
        assert_eq!(tasks.json().as_array().unwrap().len(), found, "{query}");
    }
    let wrong = get(&server, &admin, "/api/admin/tasks?state=gone").await;
    assert_eq!(problem(&wrong).0, 400);
    assert!(wrong.text.contains("cancelled"), "{}", wrong.text);

    let metrics = server.get("/metrics").await.text;
    for line in [
        "rustygpt_tasks{state=\"waiting\"} 0",
        "rustygpt_tasks{state=\"dead\"} 0",
        "rustygpt_task_attempts_total{kind=\"audit.export\",outcome=\"claimed\"} 1",
        "rustygpt_task_attempts_total{kind=\"audit.export\",outcome=\"failed\"} 0",
    ] {
        assert!(metrics.contains(line), "no {line} in {metrics}");
    }
}

#[tokio::test]
async fn an_administrator_sees_what_everybody_used() {
    let server = town().await;
    let admin = server.resident("admin@example.org", Role::Admin).await;
    let ada = server.resident("ada@example.org", Role::User).await;
    let bob = server.resident("bob@example.org", Role::User).await;
    let mut total = 0;
    for (person, times) in [(&ada, 2), (&bob, 1)] {
        for _ in 0..times {
            let request = server.by(&person.token, Method::POST, "/v1/chat/completions");
            let answer = Answer::of(request.json(&chat_body(&json!({})))).await;
            total += answer.json()["usage"]["total_tokens"].as_u64().unwrap();
        }
    }
    let usage = async |query: &str| {
        let answer = get(&server, &admin, &format!("/api/admin/usage{query}")).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json().as_array().unwrap().clone()
    };
    // Usage is kept beside the requests.
    let requests = |rows: &[Value]| -> u64 {
        rows.iter()
            .map(|row| row["requests"].as_u64().unwrap())
            .sum()
    };
    while requests(&usage("").await) < 3 {}
    let rows = usage("").await;
    let tokens = |row: &Value, name: &str| row[name].as_u64().unwrap();
    let sum = rows
        .iter()
        .map(|row| tokens(row, "prompt_tokens") + tokens(row, "completion_tokens"));
    assert_eq!((rows.len(), sum.sum::<u64>()), (2, total));
    let of_ada = usage(&format!("?account={}", ada.id)).await;
    assert_eq!(of_ada.len(), 1);
    assert_eq!(of_ada[0]["account"], json!(ada.id));
    assert_eq!(
        (&of_ada[0]["requests"], &of_ada[0]["model"]),
        (&json!(2), &json!("parrot"))
    );
    let parts = [usage("?limit=1").await, usage("?limit=1&offset=1").await];
    assert_eq!(parts.concat(), rows);
    assert!(usage("?until=1000").await.is_empty());
    let wrong = get(&server, &admin, "/api/admin/usage?account=nonsense").await;
    assert_eq!(wrong.status, 400, "{}", wrong.text);
}
