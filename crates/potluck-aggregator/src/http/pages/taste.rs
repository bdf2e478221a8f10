//! `/taste`: small models run in the reader's browser, which mixes the signed experts itself.
//!
//! Only where that can be: experts that anybody may read, full weights of a few megabytes, a tokenizer beside the base.

use axum::Extension;
use axum::response::Response;
use maud::html;
use serde_json::json;

use super::answers::{Expert, Federation, LambdaOf, Listed};
use super::{Api, Page, ask, layout};

/// The largest weights of one model that are worth a reader's line and patience, in bytes.
const MOST: u64 = 8 << 20;

const WEIGHTS: &str = "model.safetensors";

/// Whether there is something to taste.
pub(super) fn is_possible(federation: &Federation) -> bool {
    let file = |path: &str| federation.base.files.iter().find(|file| file.path == path);
    let is_small = file(WEIGHTS).is_some_and(|file| file.size <= MOST);
    let is_whole = file("config.json").is_some() && file("tokenizer.json").is_some();
    is_small
        && is_whole
        && federation.charter.access.experts == "anyone"
        && federation.counts.experts > 1
}

/// What a browser needs to know of the models, beside their files.
pub(super) struct Models {
    /// The repository's name.
    pub(super) model: String,
    /// Each expert's party and the BLAKE3 of its weights, as JSON.
    pub(super) experts: String,
}

/// Asks for it.
pub(super) async fn models(api: &Api) -> Result<Models, Response> {
    let experts: Listed<Expert> = ask(api, "/api/v1/experts?limit=200").await?;
    let known = experts.items.iter().filter_map(|expert| {
        let file = expert.files.iter().find(|file| file.path == WEIGHTS)?;
        Some(json!({"party": expert.party, "blake3": file.blake3}))
    });
    let known: Vec<_> = known.collect();
    let first = experts.items.first().map(|expert| expert.party.as_str()).unwrap_or_default();
    let path = format!("/api/v1/lambda?lambda={first}=1");
    let LambdaOf { load } = ask(api, &path).await?;
    Ok(Models { model: load.model, experts: json!(known).to_string() })
}

pub(super) async fn page(Extension(api): Extension<Api>) -> Page {
    let federation: Federation = ask(&api, "/api/v1/federation").await?;
    if !is_possible(&federation) {
        let content = html! {
            h1 { "Taste" }
            p.lead { "There is nothing here that a browser could taste." }
            p { "It takes two experts of at most 8 MB that anybody may read, and a tokenizer beside their base." }
        };
        return Ok(layout::page(&federation, "", "Taste", None, content));
    }
    let Models { model, experts } = models(&api).await?;
    let lambda = federation.in_force.as_ref().map(|served| json!(served.lambda.ppm).to_string());
    let content = html! {
        link rel="stylesheet" href="/assets/widgets/taste.css";
        h1 { "Taste" }
        p.lead {
            "Move the shares, and read what that mixture writes. Your browser fetches the experts that the parties signed, \
             mixes them itself, and runs the model; nothing is sent anywhere."
        }
        noscript { p { "This page works with JavaScript alone; " a href="/downloads" { "the models are here" } "." } }
        h2.unseen-words { "A mixture, and what it writes" }
        div #taste data-model=(model) data-experts=(experts) data-lambda=[lambda] {}
        form #own .script {
            label for="own-text" { "A text of your own" }
            textarea #own-text rows="4" {}
            p { button type="submit" { "Summarise it" } }
        }
    };
    Ok(layout::page(&federation, "/taste", "Taste", Some("taste/page.js"), content))
}
