//! `/front`: what there is to choose from. The picture is the browser's; the table has all of it.

use axum::Extension;
use axum::extract::Query;
use maud::{Markup, html};
use serde::Deserialize;

use super::answers::{Federation, Front, Gain, LambdaOf, Morl, Point};
use super::taste::Models;
use super::{Api, Page, ask, layout, taste, words};

#[derive(Debug, Deserialize)]
pub(super) struct Which {
    round: Option<u64>,
}

pub(super) async fn page(Extension(api): Extension<Api>, Query(which): Query<Which>) -> Page {
    let federation: Federation = ask(&api, "/api/v1/federation").await?;
    let path = which
        .round
        .map_or_else(|| "/api/v1/front".to_owned(), |round| format!("/api/v1/front?round={round}"));
    let front: Front = ask(&api, &path).await?;
    let mut model = None;
    if let Some(point) = front.points.first() {
        let path = format!("/api/v1/lambda?lambda={}", point.lambda.text);
        model = ask::<LambdaOf>(&api, &path).await.ok().map(|it| it.load.model);
    }
    let models = match taste::is_possible(&federation) {
        true => Some(taste::models(&api).await?),
        false => None,
    };
    let is_known = front.points.iter().any(|point| point.is_evaluated);
    let content = html! {
        h1 { "The front: what there is to choose from" }
        p.lead {
            @match front.round {
                Some(round) if is_known => {
                    "What each party gains by each mixture that was tried out in "
                    a href={ "/rounds/" (round) } { "round " (round) }
                    ", and what is expected of those between."
                }
                _ => { "Nobody has tried out mixtures yet. These are the experts that there are to mix." }
            }
        }
        @if is_known {
            p.soft {
                "A gain of 0 % is what a party has without a deal, 100 % the best that it found for itself at first. Each party \
                 measured on its own texts, so there is some doubt in every figure: two standard errors stand beside it."
            }
        }
        div #explorer data-round=[front.round] data-repository=[model] {}
        (samples(is_known, models.as_ref()))
        @if !front.points.is_empty() {
            h2 { "Every point" }
            (table(&front))
        }
        @if let Some(morl) = &front.morl { (runs(&front.parties, morl)) }
    };
    Ok(layout::page(&federation, "/front", "Front", Some("front/page.js"), content))
}

/// What mixtures write, where readers can have that written; else why there is nothing to read.
fn samples(is_known: bool, models: Option<&Models>) -> Markup {
    html! {
        @match models {
            Some(Models { model, experts }) => {
                div #samples .script data-model=(model) data-experts=(experts) {
                    h2 { "What they write" }
                    p {
                        "The parties' own prompts stay with them, and so does what models wrote of them. But these models are \
                         small: your browser can have the base, the mixture that you chose and the two nearest that were \
                         tried out write of the same public text."
                    }
                    p { button type="button" { "Write samples here" } }
                    p { label hidden { "Of the text " select {} } }
                    div role="status" {}
                    div.samples {}
                }
            }
            None if is_known => {
                p.soft {
                    "There are no samples to read here: the parties' prompts stay with them, and so does what models wrote of \
                     them; these models are too large for a browser, or not open to all."
                }
            }
            None => {}
        }
    }
}

fn table(front: &Front) -> Markup {
    html! {
        div.scroll.long {
            table {
                caption { "Gains with two standard errors. A predicted gain comes of a curve through what was tried out." }
                thead {
                    tr {
                        th scope="col" { "mixture" }
                        th scope="col" { "shares" }
                        th scope="col" { "known by" }
                        @for party in &front.parties { th.number scope="col" { (party) " gains" } }
                    }
                }
                tbody {
                    @for point in &front.points {
                        tr.chosen[point.what == "agreed"] {
                            th scope="row" { (name(point)) }
                            td { (words::mixture(&point.lambda)) }
                            td { @if point.is_evaluated { "trial" } @else { "prediction" } }
                            @for party in &front.parties { td.number { (gain(&point.gains, party)) } }
                        }
                    }
                }
            }
        }
    }
}

/// What the operator tells of another method.
fn runs(parties: &[String], morl: &Morl) -> Markup {
    html! {
        h2 { "Trained for all at once" }
        p {
            "Beside mixtures the operator shows models that were trained for all rewards together: " (morl.source) " "
            strong { "Nobody signed these figures, and nothing is decided by them." }
        }
        div.scroll.long {
            table {
                thead {
                    tr {
                        th scope="col" { "run" }
                        @for party in parties { th.number scope="col" { (party) " gains" } }
                    }
                }
                tbody {
                    @for run in &morl.runs {
                        tr {
                            th scope="row" { (run.label) }
                            @for party in parties { td.number { (gain(&run.gains, party)) } }
                        }
                    }
                }
            }
        }
    }
}

fn name(point: &Point) -> String {
    let number = point.candidate.map(|it| format!("candidate {}", it + 1));
    match (point.what.as_str(), &point.party, number) {
        ("expert", Some(party), _) => format!("expert of {party}"),
        ("agreed", _, Some(number)) => format!("{number}, agreed"),
        ("agreed", ..) => "agreed".to_owned(),
        ("entitlement", ..) => "the fallback".to_owned(),
        (_, _, number) => number.unwrap_or_else(|| point.lambda.text.clone()),
    }
}

fn gain(gains: &[Gain], party: &str) -> String {
    let Some(gain) = gains.iter().find(|gain| gain.party == party) else {
        return "–".to_owned();
    };
    match gain.error {
        Some(error) => {
            format!("{} ± {}", words::gain(gain.mean), words::gain(2 * i64::from(error)))
        }
        None => words::gain(gain.mean),
    }
}
