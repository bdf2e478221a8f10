//! Adapters that come at the same time.

use potluck_core::entry::Submission;
use potluck_core::manifest::ADAPTER;
use potluck_core::{Body, Manifest};

use super::*;
use crate::fixture::{Folder, admit, entry_of, party, stream_of};
use crate::submission::intake::Awaited;

const CHARTER: &str = "name = 'news'\nrule = 'mean'\n[parties.agency]\nweight = 1\n\
                       [parties.readers]\nweight = 1\n[limits]\nexpert_bytes = 1000000\n\
                       change_permille = 1000000\n[adapters]\n";

/// Tensors of F32 whose elements are all one, and metadata where there is some.
fn file(tensors: &[(&str, [usize; 2])], config: Option<&str>) -> Vec<u8> {
    let (mut header, mut end) = (serde_json::Map::new(), 0);
    for (name, shape) in tensors {
        let start = end;
        end += shape[0] * shape[1] * 4;
        let entry =
            serde_json::json!({"dtype": "F32", "shape": shape, "data_offsets": [start, end]});
        header.insert((*name).to_owned(), entry);
    }
    if let Some(config) = config {
        header.insert("__metadata__".into(), serde_json::json!({"adapter_config": config}));
    }
    let header = serde_json::Value::from(header).to_string();
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend(1f32.to_le_bytes().repeat(end / 4));
    bytes
}

/// An adapter of the square layer `q`; the two kinds do not mean the same by their factors.
fn adapter(is_transposed: bool) -> Vec<u8> {
    let config = serde_json::json!({
        "peft_type": "LORA", "r": 1, "lora_alpha": 1, "target_modules": ["q"],
        "fan_in_fan_out": is_transposed,
    });
    let name = |half| format!("base_model.model.q.lora_{half}.weight");
    file(&[(&name("A"), [1, 4]), (&name("B"), [4, 1])], Some(&config.to_string()))
}

/// Takes an expert in, up to the moment before it is recorded.
fn inspected(aggregator: &Aggregator, name: &str, content: &[u8]) -> Admitted {
    let federation = &aggregator.standing().federation;
    let body = Body::Submit(Submission {
        base: federation.base_weights().blake3,
        manifest: Manifest::new(vec![entry_of(ADAPTER, content)]).unwrap(),
        reward_commitment: None,
    });
    let envelope = aggregator.signed(party(name), body);
    let authentic = federation.authenticate(&envelope).unwrap();
    let awaited = Awaited::new(aggregator, authentic).unwrap();
    let stream = stream_of(&awaited.wanted(), content);
    let (received, _kept) = awaited.receive(&mut stream.as_slice()).unwrap();
    received.inspect(aggregator).unwrap()
}

#[test]
fn of_two_adapters_that_cannot_be_mixed_one_gets_in() {
    let folder = Folder::over(&file(&[("q.weight", [4, 4])], None), CHARTER);
    let aggregator = folder.open();
    for name in crate::fixture::PARTIES {
        aggregator.say(Author::Operator, admit(name)).unwrap();
    }
    // Both are good by themselves, and neither is in when the other is inspected.
    let first = inspected(&aggregator, "agency", &adapter(false));
    let second = inspected(&aggregator, "readers", &adapter(true));
    first.record(&aggregator).unwrap();
    let refusal = second.record(&aggregator).unwrap_err();
    assert_eq!(refusal.code, Code::AdapterRefused);
    assert!(refusal.sentence.contains("agency and readers differ in fan_in_fan_out"), "{refusal}");
    assert_eq!(aggregator.standing().federation.experts().len(), 1);

    let third = inspected(&aggregator, "readers", &adapter(false));
    third.record(&aggregator).unwrap();
    assert_eq!(aggregator.standing().federation.experts().len(), 2);
}
