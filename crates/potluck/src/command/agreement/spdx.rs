//! The published soup as an SPDX 3.0.1 AI package (JSON-LD), for inventories of software and models.
//!
//! The package is the soup; base, experts and the soup's weights are files with both digests, the parties agents. Shares are its
//! hyperparameters, gains its metrics. What the ledger does not say is `noAssertion`. As the ledger knows no address, the download
//! location names the file by its digest (RFC 6920).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use potluck_core::{Blake3, FileEntry, PartyId};
use serde_json::{Value, json};

use super::facts::Facts;
use super::words;
use crate::clock::utc;

const CONTEXT: &str = "https://spdx.org/rdf/3.0.1/spdx-context.jsonld";
const CREATION: &str = "_:creation";

/// The whole document; nothing before the soup is published.
pub(super) fn document(facts: &Facts<'_>) -> Option<Value> {
    let (soup, published) = (facts.round.soup.as_ref()?, facts.told.published?);
    let ids = Ids::new(facts);
    let active: Vec<&PartyId> = soup.recipe.experts().iter().map(|it| &it.party).collect();
    let mut graph = vec![
        json!({
            "@id": CREATION, "type": "CreationInfo", "specVersion": "3.0.1",
            "created": date(published.time), "createdBy": [ids.of("federation")],
            "createdUsing": [ids.of("tool")],
        }),
        element(
            "Organization",
            &ids.of("federation"),
            &format!("Federation {}", facts.charter().name()),
        ),
        element("Tool", &ids.of("tool"), concat!("potluck ", env!("CARGO_PKG_VERSION"))),
        package(facts, &ids, &soup.file, published.time),
        file(&ids.of("weights"), "weights of the soup", &soup.file),
        file(&ids.of("base"), "weights of the base", facts.federation.base_weights()),
        relationship(
            &ids,
            "distribution",
            "soup",
            "hasDistributionArtifact",
            &["weights".to_owned()],
        ),
    ];
    let mut ancestors = vec!["base".to_owned()];
    for party in active {
        let (expert, agent) = (format!("expert-{party}"), format!("party-{party}"));
        let weights = facts.told.experts.get(party).and_then(|it| it.manifest.expert());
        let Some(weights) = weights else { continue };
        graph.push(element("Organization", &ids.of(&agent), party.as_str()));
        let mut weights =
            file(&ids.of(&expert), &format!("weights of the expert of {party}"), weights);
        weights["originatedBy"] = json!([ids.of(&agent)]);
        graph.push(weights);
        let descent = format!("descent-{party}");
        graph.push(relationship(&ids, &descent, &expert, "descendantOf", &["base".to_owned()]));
        ancestors.push(expert);
    }
    graph.push(relationship(&ids, "descent", "soup", "descendantOf", &ancestors));
    graph.extend(licenses(facts, &ids));
    let listed: Vec<_> = graph.iter().filter_map(|it| it.get("spdxId").cloned()).collect();
    let name = format!(
        "Soup of round {} of the federation {}",
        facts.round.number,
        facts.charter().name()
    );
    graph.push(json!({
        "type": "SpdxDocument", "spdxId": ids.of("document"), "creationInfo": CREATION,
        "name": name, "rootElement": [ids.of("soup")], "element": listed,
        "profileConformance": ["core", "software", "ai", "simpleLicensing"],
    }));
    Some(json!({"@context": CONTEXT, "@graph": graph}))
}

/// Names that are the same whoever writes the document, and of no other document.
struct Ids(String);

impl Ids {
    fn new(facts: &Facts<'_>) -> Self {
        let text = format!(
            "potluck 1 spdx document {} {} {}",
            facts.federation.id(),
            facts.round.number,
            facts.agreement.digest()
        );
        // A UUID of version 8 (RFC 9562, section 5.8): its other bits are ours to choose.
        let mut bytes: [u8; 16] = [0; 16];
        bytes.copy_from_slice(&Blake3::of(text.as_bytes()).as_bytes()[..16]);
        bytes[6] = bytes[6] & 0x0f | 0x80;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let parts = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
        Self(format!("urn:uuid:{}", parts.join("-")))
    }

    fn of(&self, name: &str) -> String {
        format!("{}#{name}", self.0)
    }
}

fn element(kind: &str, id: &str, name: &str) -> Value {
    json!({"type": kind, "spdxId": id, "creationInfo": CREATION, "name": name})
}

fn relationship(ids: &Ids, name: &str, from: &str, kind: &str, to: &[String]) -> Value {
    let to: Vec<_> = to.iter().map(|it| ids.of(it)).collect();
    json!({
        "type": "Relationship", "spdxId": ids.of(name), "creationInfo": CREATION,
        "from": ids.of(from), "relationshipType": kind, "to": to, "completeness": "complete",
    })
}

/// A file of weights.
fn file(id: &str, name: &str, file: &FileEntry) -> Value {
    json!({
        "type": "software_File", "spdxId": id, "creationInfo": CREATION, "name": name,
        "software_primaryPurpose": "model", "verifiedUsing": hashes(file),
    })
}

fn hashes(file: &FileEntry) -> Value {
    json!([
        {"type": "Hash", "algorithm": "sha256", "hashValue": file.sha256},
        {"type": "Hash", "algorithm": "blake3", "hashValue": file.blake3},
    ])
}

fn package(facts: &Facts<'_>, ids: &Ids, soup: &FileEntry, published: u64) -> Value {
    let entry =
        |key: String, value: String| json!({"type": "DictionaryEntry", "key": key, "value": value});
    let shares = facts.agreement.lambda.ppm().iter();
    let shares: Vec<_> = shares
        .map(|(party, ppm)| entry(format!("share of {party} (ppm)"), ppm.to_string()))
        .collect();
    let gains = facts.gains();
    let metrics = gains.iter().map(|(party, ppm)| {
        entry(format!("gain of {party} over no deal (ppm of its own range)"), ppm.to_string())
    });
    let metrics: Vec<_> = metrics.collect();
    let mut package = json!({
        "type": "ai_AIPackage", "spdxId": ids.of("soup"), "creationInfo": CREATION,
        "name": format!("soup of round {} of {}", facts.round.number, facts.charter().name()),
        "software_packageVersion": facts.round.number.to_string(),
        "software_primaryPurpose": "model",
        "software_downloadLocation": format!("ni:///sha-256;{}", URL_SAFE_NO_PAD.encode(soup.sha256.as_bytes())),
        "software_copyrightText": "NOASSERTION",
        "releaseTime": date(published), "suppliedBy": ids.of("federation"),
        "verifiedUsing": hashes(soup),
        "ai_typeOfModel": ["weighted mean of the weights of fine-tuned models (linear/1)"],
        "ai_informationAboutTraining": training(facts),
        "ai_limitation": "Not stated by the parties. Gains are measured by each party on its own questions alone, on its own scale.",
        "ai_hyperparameter": shares,
        "ai_autonomyType": "noAssertion",
        "ai_useSensitivePersonalInformation": "noAssertion",
    });
    if !metrics.is_empty() {
        package["ai_metric"] = metrics.into();
        if facts.no_deal().is_none() {
            let threshold =
                entry("gain of each party over no deal (ppm), above".to_owned(), "0".to_owned());
            package["ai_metricDecisionThreshold"] = json!([threshold]);
        }
    }
    if let Some(end) = facts.agreement.expires {
        package["validUntilTime"] = date(end).into();
    }
    package
}

fn training(facts: &Facts<'_>) -> String {
    let how = match (facts.bargain(), facts.no_deal()) {
        (Some((_, deal)), None) => format!("bargained for by the rule {}", deal.rule.as_str()),
        (Some(_), Some(why)) => format!("the fallback for want of a deal ({})", why.sentence()),
        (None, _) => format!("by the rule {} for proposals", facts.agreement.rule.as_str()),
    };
    let bound = facts.told.experts.iter().filter(|(_, it)| it.reward_commitment.is_some());
    let bound: Vec<_> = bound.map(|(party, _)| party.to_string()).collect();
    let rewards = match bound.is_empty() {
        true => "no party has committed to its reward in the ledger".to_owned(),
        false => format!("{} committed to the reward in the ledger", words::listed(&bound)),
    };
    format!(
        "Nothing was trained on: experts that parties fine-tuned from one base, each to its own reward, are mixed by shares that \
         follow from the ledger, {how}. Training data and rewards of the experts are not stated by the parties; {rewards}. \
         Agreement {} of federation {}.",
        facts.agreement.digest(),
        facts.federation.id()
    )
}

/// What whoever writes the document says of the licence, or that nobody does.
fn licenses(facts: &Facts<'_>, ids: &Ids) -> Vec<Value> {
    let (to, mut all) = match facts.license {
        None => ("expandedlicensing_NoAssertionLicense".to_owned(), Vec::new()),
        Some(expression) => {
            let id = ids.of("license");
            let license = json!({
                "type": "simplelicensing_LicenseExpression", "spdxId": id,
                "creationInfo": CREATION, "simplelicensing_licenseExpression": expression,
            });
            (id, vec![license])
        }
    };
    for (name, kind) in [("declared", "hasDeclaredLicense"), ("concluded", "hasConcludedLicense")] {
        all.push(json!({
            "type": "Relationship", "spdxId": ids.of(name), "creationInfo": CREATION,
            "from": ids.of("soup"), "relationshipType": kind, "to": [to],
        }));
    }
    all
}

/// As XML Schema writes it.
fn date(seconds: u64) -> String {
    utc(seconds).replace(' ', "T").replace("TUTC", "Z")
}
