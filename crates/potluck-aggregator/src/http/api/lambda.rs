//! `GET /api/v1/lambda`: what one λ is: its normal form, its recipe over the experts in force, and how to load it.

use axum::response::Response;
use potluck_core::{Lambda, Recipe};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::agreements::RecipeOf;
use super::answer::Seen;
use super::ask::Asked;
use super::problem::{Common, Problem};
use super::shape::{Mixture, commit, normal};

/// Which λ
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// The weights by party, as decimals or in parts per million
    #[param(example = "checkers=0.7,readers=0.3")]
    lambda: String,
}

/// One λ over the experts in force
#[derive(Debug, Serialize, ToSchema)]
struct LambdaOf {
    lambda: Mixture,
    /// BLAKE3 of the recipe
    recipe_digest: String,
    recipe: RecipeOf,
    /// The soup's id as a revision: the first 160 bits of the recipe's digest
    commit: String,
    /// The round that published this very soup
    published_in: Option<u64>,
    /// Under which name and revision tools load it
    load: Load,
}

/// How to load it
#[derive(Debug, Serialize, ToSchema)]
struct Load {
    /// The name of the model
    #[schema(example = "news/model")]
    model: String,
    /// The revision
    revision: String,
    /// A line of Python, for where `HF_ENDPOINT` names this server
    python: String,
    /// A line for the shell, for where `HF_ENDPOINT` names this server
    shell: String,
}

/// What one λ is, and how to load it
#[utoipa::path(get, path = "/api/v1/lambda", tag = "soups", operation_id = "lambda", params(Which),
    responses((status = 200, body = LambdaOf), Common))]
pub(super) async fn lambda(asked: Asked<Which>) -> Response {
    asked.one(|seen| {
        let wrong = |detail: String| Problem::parameter("lambda", detail);
        let lambda: Lambda = asked.query.lambda.parse().map_err(|it| wrong(format!("{it}")))?;
        let federation = seen.federation();
        let expert = |party: &_| Some(federation.experts().get(party)?.manifest.digest());
        let recipe = Recipe::new(
            federation.charter().arithmetic(),
            federation.base().digest(),
            &lambda,
            expert,
        );
        let recipe = recipe.map_err(|error| wrong(format!("{error}")))?;
        Ok(view(seen, &lambda, &recipe))
    })
}

fn view(seen: &Seen<'_>, lambda: &Lambda, recipe: &Recipe) -> LambdaOf {
    let (digest, revision) = (recipe.digest(), normal(lambda));
    let name = seen.federation().charter().name();
    let model = format!("{name}/{}", crate::http::hub::NAME);
    let published = seen.past.soup(&digest.to_string());
    let published = published.filter(|it| *it <= seen.federation().rounds().len() as u64);
    LambdaOf {
        lambda: Mixture::from(lambda),
        recipe_digest: digest.to_string(),
        recipe: RecipeOf::from(recipe),
        commit: commit(digest),
        published_in: published,
        load: Load {
            python: format!(
                "AutoModelForCausalLM.from_pretrained(\"{model}\", revision=\"{revision}\")"
            ),
            shell: format!("hf download {model} --revision {revision}"),
            model,
            revision,
        },
    }
}
