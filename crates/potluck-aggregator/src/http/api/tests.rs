//! Each route on a federation that was made for it, and the document that describes them all.

use potluck_core::{Author, Body};
use potluck_log::TlogProof;
use serde_json::Value;

use crate::fixture::{Folder, admit, open_round};
use crate::http::tests::Served;

/// Two parties that bargain.
const BARGAIN: &str = "name = 'news'\nrule = 'mean'\n[parties.agency]\nweight = 2\nreason = 'writes'\n\
                       [parties.readers]\nweight = 1\nfloor_ppm = 50000\n[limits]\nexpert_bytes = 1000000\n\
                       change_permille = 500\n[bargain]\nleast_prompts = 400\nbatches = 1\nnominations = 1\nfinalists = 2\n";

struct Asked {
    status: u16,
    head: String,
    body: Value,
}

impl Asked {
    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

async fn ask(served: &Served, path: &str) -> Asked {
    ask_with(served, path, "").await
}

async fn ask_with(served: &Served, path: &str, headers: &str) -> Asked {
    let (status, head, body) = served.ask_with(&format!("GET {path}"), headers).await;
    let body = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() };
    let asked = Asked { status, head, body };
    let kind = if status < 400 { "application/json" } else { "application/problem+json" };
    assert!(status == 304 || asked.header("content-type") == Some(kind), "{path}: {}", asked.head);
    if status >= 400 {
        assert_eq!(asked.body["status"], status);
        let code = asked.body["code"].as_str().unwrap();
        assert_eq!(asked.body["type"], format!("urn:potluck:problem:{code}"));
    }
    asked
}

/// What is served under a path that has to be there.
async fn get(served: &Served, path: &str) -> Value {
    let asked = ask(served, path).await;
    assert_eq!(asked.status, 200, "{path}: {}", asked.body);
    asked.body
}

async fn bargained() -> (Folder, Served) {
    let folder = Folder::under(BARGAIN);
    let served = Served::start(&folder).await;
    served.aggregator.bargain();
    let publication = served.aggregator.publication();
    served.aggregator.say(Author::Operator, Body::Publish(publication)).unwrap();
    (folder, served)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_they_are_is_told() {
    let (_folder, served) = bargained().await;
    let federation = get(&served, "/api/v1/federation").await;
    assert_eq!(federation["name"], "news");
    assert_eq!(federation["charter"]["bargain"]["rule"], "nash");
    assert_eq!(federation["charter"]["seats"][0]["weight"], 2);
    let standing = served.aggregator.standing();
    assert_eq!(federation["checkpoint"]["size"], standing.federation.size());
    assert_eq!(federation["checkpoint"]["state"], standing.federation.digest().to_string());
    assert_eq!(federation["checkpoint"]["note"], standing.checkpoint.to_string());
    assert_eq!(federation["log_key"], served.aggregator.verifier_key());
    assert_eq!(federation["in_force"]["round"], 1);
    assert_eq!(federation["base"]["files"][1]["path"], "model.safetensors");

    let parties = get(&served, "/api/v1/parties").await;
    assert_eq!(parties["total"], 2);
    let agency = get(&served, "/api/v1/parties/agency").await;
    assert_eq!(parties["items"][0], agency);
    assert_eq!((&agency["status"], &agency["weight"]), (&"active".into(), &2.into()));
    assert_eq!(agency["keys"][0]["role"], "sign");
    assert_eq!(agency["expert"]["rounds"], serde_json::json!([1]));
    let said = get(&served, "/api/v1/ledger/entries?author=agency&limit=200").await;
    assert_eq!(agency["entries"], said["items"].as_array().unwrap().len());
    let experts = get(&served, "/api/v1/experts").await;
    assert_eq!(experts["items"][0], agency["expert"]);
    assert_eq!(ask(&served, "/api/v1/parties/nobody").await.status, 404);
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_round_is_told_with_all_that_decides_it() {
    let (_folder, served) = bargained().await;
    let rounds = get(&served, "/api/v1/rounds").await;
    assert_eq!(rounds["items"][0]["state"], "published");
    let round = get(&served, "/api/v1/rounds/1").await;
    let candidates = round["bargain"]["candidates"].as_array().unwrap();
    assert!(candidates.iter().any(|it| it["is_chosen"] == true));
    assert!(candidates.iter().any(|it| !it["excluded"].is_null()), "{}", round["bargain"]);
    let ballots = &round["bargain"]["batches"][0]["ballots"];
    assert_eq!(ballots[0]["rows"][0]["error"], 12_000);
    // The table gives the outcome: the best of the finalists is what was agreed on.
    let stages = round["tally"]["scores"]["stages"].as_array().unwrap();
    assert_eq!(stages.len(), 2);
    let best = &stages[1]["ranked"][0];
    assert_eq!(*best, round["agreement"]["deal"]["candidate"]);
    let chosen = stages[1]["candidates"].as_array().unwrap();
    let chosen = chosen.iter().find(|it| it["number"] == *best).unwrap();
    assert_eq!(chosen["shares"], round["tally"]["outcome"]);
    assert_eq!(chosen["scores"].as_array().unwrap().len(), 2);
    let timeline = round["timeline"].as_array().unwrap();
    assert_eq!(timeline[0]["sentence"], "The operator opened round 1.");
    let last = timeline.last().unwrap();
    assert_eq!(last["sentence"], "The operator published the soup of round 1.");

    let agreement = get(&served, "/api/v1/agreements/1").await;
    assert_eq!(agreement, round["agreement"]);
    let digest = agreement["digest"].as_str().unwrap();
    assert_eq!(get(&served, &format!("/api/v1/agreements/{digest}")).await, agreement);
    assert_eq!(agreement["standing"], "in_force");
    assert_eq!(get(&served, "/api/v1/agreements").await["items"][0], agreement);

    let soup = get(&served, "/api/v1/soups/1").await;
    for name in ["commit", "recipe_digest"] {
        let path = format!("/api/v1/soups/{}", soup[name].as_str().unwrap());
        assert_eq!(get(&served, &path).await, soup);
    }
    assert_eq!(soup["is_in_force"], true);
    assert_eq!(get(&served, "/api/v1/soups").await["items"][0], soup);
    for nothing in
        ["/api/v1/rounds/2", "/api/v1/rounds/0", "/api/v1/soups/9", "/api/v1/agreements/2"]
    {
        assert_eq!(ask(&served, nothing).await.status, 404, "{nothing}");
    }
    assert_eq!(ask(&served, "/api/v1/rounds/one").await.body["parameter"], "round");
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_front_tells_what_was_evaluated_from_what_is_predicted() {
    let (_folder, served) = bargained().await;
    let front = get(&served, "/api/v1/front").await;
    assert_eq!((&front["round"], &front["zero"]), (&1.into(), &"base".into()));
    let points = front["points"].as_array().unwrap();
    for point in points.iter().filter(|it| it["is_evaluated"] == true) {
        assert_eq!(point["gains"][0]["error"], 12_000, "{point}");
        assert_eq!(point["gains"][1]["prompts"], 400);
    }
    // The floor keeps agency's own expert from being a candidate: what it gives is predicted.
    let predicted = points.iter().find(|it| it["is_evaluated"] == false).unwrap();
    assert_eq!((&predicted["what"], &predicted["party"]), (&"expert".into(), &"agency".into()));
    assert!(predicted["gains"][0]["error"].is_null() && !predicted["gains"][0]["mean"].is_null());
    assert_eq!(front["models"][0]["is_predicted"], true);
    assert!(points.iter().any(|it| it["is_non_dominated"] == true));
    assert_eq!(get(&served, "/api/v1/front?round=1").await, front);
    assert_eq!(ask(&served, "/api/v1/front?round=2").await.status, 404);
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_are_listed_and_proved() {
    let (_folder, served) = bargained().await;
    let all = get(&served, "/api/v1/ledger/entries?limit=200").await;
    let items = all["items"].as_array().unwrap();
    let size = served.aggregator.size();
    assert_eq!(items.len() as u64, size);
    assert_eq!(items[0]["sentence"], "The operator founded the federation.");
    // Pages from both ends, by kind, by author: each is a part of all.
    for query in [
        "",
        "&order=desc",
        "&kind=reveal",
        "&author=agency&order=desc",
        "&kind=submit&author=readers",
    ] {
        let mut path = format!("/api/v1/ledger/entries?limit=2{query}");
        let mut found = Vec::new();
        loop {
            let page = ask(&served, &path).await;
            assert_eq!(page.status, 200, "{}", page.body);
            found.extend(page.body["items"].as_array().unwrap().iter().cloned());
            let Some(link) = page.header("link") else { break };
            path = link.trim_start_matches('<').split('>').next().unwrap().to_owned();
        }
        if query.contains("desc") {
            found.reverse();
        }
        let is_asked = |it: &&Value| {
            (!query.contains("kind=reveal") || it["kind"] == "reveal")
                && (!query.contains("kind=submit") || it["kind"] == "submit")
                && (!query.contains("agency") || it["author"] == "agency")
                && (!query.contains("readers") || it["author"] == "readers")
        };
        let expected: Vec<_> = items.iter().filter(is_asked).cloned().collect();
        assert_eq!(found, expected, "{query}");
        assert!(!expected.is_empty());
    }
    let key = served.aggregator.verifier_key().parse().unwrap();
    for index in [0, 3, size - 1] {
        let entry = get(&served, &format!("/api/v1/ledger/entries/{index}")).await;
        assert_eq!(entry["sentence"], items[index as usize]["sentence"]);
        let proof: TlogProof = entry["proof"]["text"].as_str().unwrap().parse().unwrap();
        let logged = proof.verify(entry["record"].as_str().unwrap().as_bytes(), &key);
        assert!(logged.is_ok());
        let (status, _, bytes) =
            served.ask(&format!("GET {}", entry["envelope_path"].as_str().unwrap())).await;
        assert_eq!((status, bytes), (200, entry["envelope"].as_str().unwrap().as_bytes().to_vec()));
        assert!(entry["key"]["key"].as_str().is_some());
        assert!(entry["statement"]["body"].is_object());
    }
    assert_eq!(ask(&served, &format!("/api/v1/ledger/entries/{size}")).await.status, 404);
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn envelopes_are_told_as_they_were_signed() {
    let (_folder, served) = bargained().await;
    let size = served.aggregator.size();
    for from in [0, 3, size - 1, size, size + 9] {
        let (status, _, bytes) =
            served.ask(&format!("GET /api/v1/ledger/envelopes?from={from}")).await;
        let text = String::from_utf8(bytes).unwrap();
        assert_eq!((status, text.lines().count() as u64), (200, size.saturating_sub(from)));
        for (index, line) in (from..).zip(text.lines()) {
            let entry = get(&served, &format!("/api/v1/ledger/entries/{index}")).await;
            assert_eq!(entry["envelope"], line);
        }
    }
    assert_eq!(ask(&served, "/api/v1/ledger/envelopes?from=-1").await.status, 400);
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lambda_has_one_normal_form() {
    let (_folder, served) = bargained().await;
    let path = |text: &str| format!("/api/v1/lambda?lambda={text}");
    let one = get(&served, &path("readers=0.3,agency=0.7")).await;
    assert_eq!(one["lambda"]["text"], "agency=0.7,readers=0.3");
    assert_eq!(one["commit"], one["recipe_digest"].as_str().unwrap()[..40]);
    assert_eq!(get(&served, &path("agency%3D700000%2Creaders%3D300000")).await, one);
    let python = one["load"]["python"].as_str().unwrap();
    assert!(python.contains("revision=\"agency=0.7,readers=0.3\""), "{python}");
    let agreed = get(&served, "/api/v1/agreements/1").await;
    let served_now = get(&served, &path(agreed["lambda"]["text"].as_str().unwrap())).await;
    assert_eq!(
        (&served_now["published_in"], &served_now["commit"]),
        (&1.into(), &agreed["commit"])
    );
    for wrong in ["agency=0.3", "nobody=1", "agency=2", "", "agency=0.5,agency=0.5"] {
        let asked = ask(&served, &path(wrong)).await;
        assert_eq!((asked.status, &asked.body["parameter"]), (400, &"lambda".into()), "{wrong}");
    }
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_holds_until_the_ledger_grows() {
    let folder = Folder::new();
    let served = Served::start(&folder).await;
    let first = ask(&served, "/api/v1/federation").await;
    let tag = first.header("etag").unwrap().to_owned();
    for known in [tag.clone(), format!("W/{tag}"), format!("\"other\", {tag}")] {
        let header = format!("if-none-match: {known}\r\n");
        let again = ask_with(&served, "/api/v1/federation", &header).await;
        assert_eq!((again.status, again.body), (304, Value::Null));
    }
    served.aggregator.say(Author::Operator, admit("agency")).unwrap();
    let header = format!("if-none-match: {tag}\r\n");
    let grown = ask_with(&served, "/api/v1/federation", &header).await;
    assert_eq!((grown.status, &grown.body["counts"]["entries"]), (200, &2.into()));
    // What was kept under the old tag is not served under the new one.
    assert_eq!(get(&served, "/api/v1/federation").await["counts"]["entries"], 2);
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn before_anything_happened_there_is_little_to_tell() {
    let folder = Folder::new();
    let served = Served::start(&folder).await;
    let federation = get(&served, "/api/v1/federation").await;
    assert!(federation["in_force"].is_null() && federation["round"].is_null());
    for list in ["rounds", "agreements", "soups", "experts"] {
        assert_eq!(get(&served, &format!("/api/v1/{list}")).await["items"], Value::Array(vec![]));
    }
    assert_eq!(get(&served, "/api/v1/front").await["round"], Value::Null);
    assert_eq!(get(&served, "/api/v1/parties").await["items"][0]["status"], "absent");
    served.aggregator.agree();
    let round = get(&served, "/api/v1/rounds/1").await;
    assert_eq!(
        (&round["state"], &round["agreement"]["standing"]),
        (&"agreed".into(), &"unpublished".into())
    );
    assert_eq!(round["tally"]["proposals"]["outcome"], serde_json::json!([500_000, 500_000]));
    let publication = served.aggregator.publication();
    served.aggregator.say(Author::Operator, Body::Publish(publication)).unwrap();
    served.aggregator.say(Author::Operator, open_round(2)).unwrap();
    assert_eq!(get(&served, "/api/v1/rounds/2").await["missing"].as_array().unwrap().len(), 2);
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_named() {
    let folder = Folder::new();
    let served = Served::start(&folder).await;
    for (path, code, told) in [
        ("/api/v1/federation?x=1", "query-wrong", "unknown field `x`"),
        ("/api/v1/parties?limit=0", "parameter-wrong", "1 to 200"),
        ("/api/v1/parties?limit=201", "parameter-wrong", "1 to 200"),
        ("/api/v1/parties?limit=many", "query-wrong", "limit"),
        ("/api/v1/rounds?from=x", "parameter-wrong", "whole number"),
        ("/api/v1/ledger/entries?limit=1&limit=2", "query-wrong", "duplicate field"),
        ("/api/v1/ledger/entries?kind=gossip", "parameter-wrong", "no such kind"),
        ("/api/v1/ledger/entries?author=Nobody", "parameter-wrong", "no name"),
        ("/api/v1/ledger/entries?order=up", "query-wrong", "unknown variant `up`"),
        ("/api/v1/ledger/entries/-1", "parameter-wrong", "whole number"),
        ("/api/v1/lambda", "query-wrong", "missing field `lambda`"),
    ] {
        let asked = ask(&served, path).await;
        assert_eq!((asked.status, &asked.body["code"]), (400, &code.into()), "{path}");
        assert!(asked.body["detail"].as_str().unwrap().contains(told), "{path}: {}", asked.body);
    }
    for path in
        ["/api/v1", "/api/v1/", "/api/v2/federation", "/api/v1/nothing", "/api/v1/parties/a/b"]
    {
        assert_eq!(ask(&served, path).await.body["code"], "not-found", "{path}");
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        let (status, head, _) = served.ask(&format!("{method} /api/v1/federation")).await;
        assert!(
            status == 405 && head.contains("problem+json") && head.contains("allow: GET,HEAD"),
            "{head}"
        );
    }
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_describes_every_route() {
    let (_folder, served) = bargained().await;
    let document = get(&served, "/api/v1/openapi.json").await;
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let paths = document["paths"].as_object().unwrap();
    // A route can only be made together with its description; here, that each described one is served.
    for (path, item) in paths {
        assert_eq!(item.as_object().unwrap().keys().collect::<Vec<_>>(), ["get"]);
        let commit = get(&served, "/api/v1/soups/1").await["commit"].as_str().unwrap().to_owned();
        let filled = path
            .replace("{party}", "agency")
            .replace("{round}", "1")
            .replace("{soup}", &commit)
            .replace("{index}", "0");
        if path.ends_with("/events") || path.ends_with("/envelopes") {
            // One does not end, the other is no JSON as a whole; see below.
            continue;
        }
        let query = if path.ends_with("/lambda") { "?lambda=agency=1" } else { "" };
        get(&served, &format!("{filled}{query}")).await;
        let answers = item["get"]["responses"].as_object().unwrap();
        for status in ["200", "304", "400", "429", "500"] {
            assert!(answers.contains_key(status), "{path} says nothing of {status}");
        }
    }
    assert_eq!(paths.len(), 17);
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_is_told_as_it_happens() {
    let (_folder, served) = bargained().await;
    let size = served.aggregator.size();
    let mut watching = served.watch("/api/v1/events", "").await;
    assert!(watching.until("event: round").await.contains("\"state\":\"published\""));
    served.aggregator.say(Author::Operator, open_round(2)).unwrap();
    let told = watching.until("event: entry").await;
    assert!(
        told.contains("The operator opened round 2.") && told.contains(&format!("id: {size}")),
        "{told}"
    );
    assert!(watching.until("event: round").await.contains("\"state\":\"open\""));
    // Who comes back is told what came between.
    let last = format!("last-event-id: {}\r\n", size - 2);
    let mut again = served.watch("/api/v1/events", &last).await;
    assert!(again.until("event: entry").await.contains(&format!("id: {}", size - 1)));
    assert!(again.until("event: entry").await.contains(&format!("id: {size}")));
    // Those who watch do not keep the server.
    served.stop().await;
    watching.ends().await;
}
