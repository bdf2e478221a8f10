//! The card of a revision: what it is, whose it is, and how anybody finds out whether it is that.

use std::fmt::Write as _;

use potluck_core::{Federation, Lambda};

use super::NAME;
use super::revision::Revision;
use super::snapshot::RECIPE;

/// The text of its `README.md`.
pub(super) fn of(revision: &Revision, federation: &Federation) -> String {
    let name = federation.charter().name();
    let title = match revision {
        Revision::Base => format!("The base of {name}"),
        Revision::Expert(party, _) => format!("The expert of {party}, of {name}"),
        Revision::Soup(..) => format!("A soup of {name}"),
    };
    let mut text = format!(
        "---\nlibrary_name: transformers\ntags:\n- potluck\n- rewarded-soups\n---\n\n# {title}\n\n\
         Served by the Potluck federation *{name}*, whose id is `{}`.\n",
        federation.id()
    );
    match revision {
        Revision::Base => text += "\nEvery expert of the federation was trained from it.\n",
        Revision::Expert(party, manifest) => {
            let digest = manifest.digest();
            // Writing to a string cannot fail.
            let _ = write!(
                text,
                "\nTrained by {party} from the federation's base. The BLAKE3 of its manifest is `{digest}`.\n"
            );
        }
        Revision::Soup(recipe, published) => {
            text += "\nWeighted mean of the experts of several parties (`linear/1`), in parts per million:\n\n\
                     | party | weight | manifest of the expert |\n|---|--:|---|\n";
            for expert in recipe.experts() {
                let (party, ppm, manifest) = (&expert.party, expert.ppm, expert.manifest);
                let _ = writeln!(text, "| {party} | {ppm} | `{manifest}` |");
            }
            let _ = write!(
                text,
                "\nIts bytes follow from its recipe (`{RECIPE}`), whose BLAKE3 is `{}`: whoever has the experts mixes the \
                 same file with `potluck mix`.\n",
                recipe.digest()
            );
            text += &match published {
                Some(file) => format!(
                    "It was published by the federation; the SHA-256 of its weights is `{}`. `potluck audit` recomputes \
                     the decision and the soup.\n",
                    file.sha256
                ),
                None => "It was mixed because somebody asked for these weights; the federation did not agree on \
                         it.\n"
                    .to_owned(),
            };
        }
    }
    let _ = write!(
        text,
        "\n```python\nfrom transformers import AutoModelForCausalLM\n\n# With HF_ENDPOINT set to the federation's address.\n\
         model = AutoModelForCausalLM.from_pretrained(\"{name}/{NAME}\", revision=\"{}\")\n```\n",
        wanted(revision)
    );
    text
}

/// By what name it is asked for again.
fn wanted(revision: &Revision) -> String {
    match revision {
        Revision::Base => "base".to_owned(),
        Revision::Expert(party, _) => party.to_string(),
        Revision::Soup(recipe, _) => {
            let ppm = recipe.experts().iter().map(|it| (it.party.clone(), it.ppm)).collect();
            // A recipe's shares are a λ; were they none, its file would still say what they are.
            Lambda::new(ppm).map_or_else(|_| "main".to_owned(), |lambda| lambda.to_string())
        }
    }
}
