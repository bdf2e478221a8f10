//! The repository as a client of the Hub finds it. `tests/it/hub.rs` asks with the clients themselves.

use potluck_core::{Author, Body, Sha256};
use serde_json::Value;

use crate::fixture::{Folder, operator};
use crate::http::tests::Served;

const OPEN: &str = "name = 'news'\nrule = 'mean'\n[parties.agency]\nweight = 1\n[parties.readers]\nweight = 1\n\
                    [limits]\nexpert_bytes = 1000000\nchange_permille = 500\n\
                    [access]\nexperts = 'anyone'\nsoups = 'anyone'\n";

const HALF: &str = "agency%3D0.5%2Creaders%3D0.5";

/// A value of a head.
fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

impl Served {
    async fn json(&self, path: &str) -> Value {
        let (status, head, body) = self.ask(&format!("GET {path}")).await;
        assert_eq!(status, 200, "{path}: {head}");
        serde_json::from_slice(&body).unwrap()
    }

    /// The status and the code of what is refused.
    async fn refused(&self, path: &str) -> (u16, String, String) {
        let (status, head, _) = self.ask(&format!("HEAD {path}")).await;
        let text = |name| header(&head, name).unwrap_or_default().to_owned();
        (status, text("x-error-code"), text("x-error-message"))
    }
}

async fn agreed(folder: &Folder) -> Served {
    let aggregator = folder.open();
    aggregator.agree();
    Served::over(aggregator, &folder.settings()).await
}

fn names(tree: &Value) -> Vec<&str> {
    tree.as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revision_has_a_commit_and_its_files() {
    let folder = Folder::under(OPEN);
    let served = agreed(&folder).await;
    let info = served.json(&format!("/api/models/news/model/revision/{HALF}?blobs=true")).await;
    let commit = info["sha"].as_str().unwrap();
    assert_eq!((info["id"].as_str(), commit.len()), (Some("news/model"), 40));
    let tree = served.json(&format!("/api/models/news/model/tree/{commit}?recursive=True")).await;
    let files = ["README.md", "config.json", "model.safetensors", "potluck-recipe.json"];
    assert_eq!(names(&tree), files);
    assert_eq!(info["siblings"][2]["size"], tree[2]["size"]);
    assert_eq!(info["siblings"][2].get("lfs"), None);

    let recipe = format!("/news/model/resolve/{HALF}/potluck-recipe.json");
    let (_, head, body) = served.ask(&format!("GET {recipe}")).await;
    assert_eq!(header(&head, "x-repo-commit"), Some(commit));
    assert!(potluck_core::Blake3::of(&body).to_string().starts_with(commit));
    let etag = format!("\"{}\"", Sha256::of(&body));
    assert_eq!(header(&head, "etag"), Some(etag.as_str()));
    // What differs in its spelling is the same.
    let same =
        served.json("/api/models/news/model/revision/readers%3D500000,agency%3D500000").await;
    assert_eq!(same["sha"], commit);
    // Nothing is in force yet, and the base has what it was founded with.
    let (main, base) = (
        served.json("/api/models/news/model").await,
        served.json("/api/models/news/model/revision/base").await,
    );
    assert_eq!(main["sha"], base["sha"]);
    let refs = served.json("/api/models/news/model/refs").await;
    let branches: Vec<_> =
        refs["branches"].as_array().unwrap().iter().map(|it| &it["name"]).collect();
    assert_eq!(branches, ["main", "base", "agency", "readers"]);
    assert_eq!(refs["tags"][0]["name"], "round-1");
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn weights_are_read_from_any_byte_on() {
    let folder = Folder::under(OPEN);
    let served = agreed(&folder).await;
    let path = format!("/news/model/resolve/{HALF}/model.safetensors");
    let (status, head, body) = served.ask(&format!("HEAD {path}")).await;
    assert!(status == 200 && body.is_empty(), "{head}");
    let (status, whole_head, whole) = served.ask(&format!("GET {path}")).await;
    assert_eq!(status, 200);
    let size = whole.len().to_string();
    for head in [&head, &whole_head] {
        assert_eq!(header(head, "content-length"), Some(size.as_str()));
        assert_eq!(header(head, "x-linked-size"), Some(size.as_str()));
        assert!(header(head, "etag").unwrap().starts_with("\"recipe-"));
        assert_eq!(header(head, "accept-ranges"), Some("bytes"));
    }
    let etag = header(&head, "etag").unwrap();
    let ranged = |range: &str, more: &str| format!("GET {path} HTTP/1.1\r\nrange: {range}{more}");
    let from = served.ask_lines(&ranged("bytes=70000-", "")).await;
    assert_eq!((from.0, &from.2[..]), (206, &whole[70_000..]));
    let said = format!("bytes 70000-{}/{size}", whole.len() - 1);
    assert_eq!(header(&from.1, "content-range"), Some(said.as_str()));
    let part = served.ask_lines(&ranged("bytes=1-3", &format!("\r\nif-range: {etag}"))).await;
    assert_eq!((part.0, &part.2[..]), (206, &whole[1..4]));
    let other = served.ask_lines(&ranged("bytes=1-3", "\r\nif-range: \"other\"")).await;
    assert_eq!((other.0, other.2.len()), (200, whole.len()));
    let beyond = served.ask_lines(&ranged(&format!("bytes={size}-"), "")).await;
    let said = format!("bytes */{size}");
    assert_eq!((beyond.0, header(&beyond.1, "content-range")), (416, Some(said.as_str())));
    let known = format!("GET {path} HTTP/1.1\r\nif-none-match: {etag}");
    assert_eq!(served.ask_lines(&known).await.0, 304);
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_published_soup_is_main_and_has_its_sha256() {
    let folder = Folder::under(OPEN);
    let aggregator = folder.open();
    aggregator.agree();
    let publication = aggregator.publication();
    let (recipe, soup) = (publication.recipe.digest(), publication.soup.clone());
    aggregator.say(Author::Operator, Body::Publish(publication)).unwrap();
    let agreement = aggregator.standing().federation.rounds()[0].agreement.clone().unwrap();
    let served = Served::over(aggregator, &folder.settings()).await;
    let commit = &recipe.to_string()[..40];
    let lambda = agreement.lambda.to_string().replace('=', "%3D");
    let named = [
        "main".to_owned(),
        "round-1".to_owned(),
        commit.to_owned(),
        recipe.to_string(),
        soup.blake3.to_string(),
        agreement.digest().to_string(),
        lambda,
    ];
    for name in named {
        let path = format!("/news/model/resolve/{name}/model.safetensors");
        let (status, head, body) = served.ask(&format!("GET {path}")).await;
        assert_eq!((status, header(&head, "x-repo-commit")), (200, Some(commit)), "{name}: {head}");
        assert_eq!(header(&head, "x-linked-etag"), Some(format!("\"{}\"", soup.sha256).as_str()));
        assert_eq!(Sha256::of(&body), soup.sha256);
    }
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_said_in_the_clients_words() {
    let folder = Folder::under(OPEN);
    let served = agreed(&folder).await;
    let file = |revision: &str| format!("/news/model/resolve/{revision}/config.json");
    let (status, code, sentence) = served.refused(&file("agency%3D0.5")).await;
    assert_eq!((status, code.as_str()), (404, "RevisionNotFound"));
    assert!(sentence.starts_with("lambda sums to 500000 parts per million"), "{sentence}");
    let (_, code, sentence) = served.refused(&file("agency%3D0.5%2Cothers%3D0.5")).await;
    assert!(code == "RevisionNotFound" && sentence.contains("others"), "{sentence}");
    for unknown in
        ["others", "round-2", "round-x", &"0".repeat(40), &"0".repeat(64), "refs%2Fpr%2F1"]
    {
        let (status, code, sentence) = served.refused(&file(unknown)).await;
        assert_eq!((status, code.as_str()), (404, "RevisionNotFound"), "{unknown}");
        assert!(sentence.contains("experts are of agency, readers"), "{sentence}");
    }
    for missing in ["nothing.json", "model.safetensors/x", "..%2Fgenesis.json", "%2e%2e/x"] {
        let (status, code, _) =
            served.refused(&format!("/news/model/resolve/base/{missing}")).await;
        assert_eq!((status, code.as_str()), (404, "EntryNotFound"), "{missing}");
    }
    for other in
        ["/news/other/resolve/main/x", "/other/model/resolve/main/x", "/gpt2/resolve/main/x"]
    {
        let (status, code, sentence) = served.refused(other).await;
        assert_eq!((status, code.as_str()), (404, "RepoNotFound"), "{other}");
        assert!(sentence.ends_with("news/model"), "{sentence}");
    }
    assert_eq!(served.refused("/api/models/gpt2").await.1, "RepoNotFound");
    assert_eq!(served.refused("/api/whoami-v2").await.0, 401);
    assert_eq!(served.refused("/api/models/news/model/tree/base/none").await.1, "EntryNotFound");
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_charter_keeps_is_kept() {
    // By default soups are for anybody, and the experts and the base for the parties.
    let folder = Folder::new();
    let aggregator = folder.open();
    aggregator.agree();
    let publication = aggregator.publication();
    let soup = publication.soup.clone();
    aggregator.say(Author::Operator, Body::Publish(publication)).unwrap();
    assert!(potluck_net::Service::fetch(&aggregator, &operator().public(), &soup.blake3).is_ok());
    let served = Served::over(aggregator, &folder.settings()).await;
    let (status, _, body) = served.ask("GET /news/model/resolve/main/model.safetensors").await;
    assert_eq!((status, Sha256::of(&body)), (200, soup.sha256));
    // A soup that nobody agreed on would be an expert as good as read: all of it to one party is one.
    for kept in ["base", "agency", "agency%3D1", "agency%3D0.9%2Creaders%3D0.1"] {
        for path in [
            format!("/news/model/resolve/{kept}/model.safetensors"),
            format!("/api/models/news/model/revision/{kept}"),
        ] {
            let (status, code, sentence) = served.refused(&path).await;
            assert_eq!((status, code.as_str()), (401, "GatedRepo"), "{path}");
            assert!(sentence.contains("this needs a token"), "{sentence}");
        }
    }
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_is_known_after_a_restart() {
    let folder = Folder::under(OPEN);
    let served = agreed(&folder).await;
    let info = served.json("/api/models/news/model/revision/agency%3D0.25%2Creaders%3D0.75").await;
    let of_commit = format!("/api/models/news/model/revision/{}", info["sha"].as_str().unwrap());
    served.stop().await;
    let served = Served::start(&folder).await;
    assert_eq!(served.json(&of_commit).await["sha"], info["sha"]);
    let (status, code, _) =
        served.refused(&format!("/news/model/resolve/{}/x", "0".repeat(40))).await;
    assert_eq!((status, code.as_str()), (404, "RevisionNotFound"));
    served.stop().await;
}
