//! The promises of the reader of shard indexes.

use std::collections::BTreeMap;

use potluck_soup::ShardIndex;
use serde::Deserialize;

/// Reads an index.
pub fn index(bytes: &[u8]) {
    let index = match ShardIndex::parse(bytes) {
        Ok(index) => index,
        Err(error) => return super::is_presentable(&error),
    };
    names_are_plain(&index);
    shards_are_those_of_the_map(&index);
    serde_agrees(bytes, &index);
    let text = index.text();
    let again = ShardIndex::parse(&text).unwrap();
    assert_eq!((&again, again.text()), (&index, text));
    let made = ShardIndex::new(index.weight_map(), index.total_size()).unwrap();
    assert_eq!(made, index);
}

fn names_are_plain(index: &ShardIndex) {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    for (tensor, shard) in index.weight_map() {
        assert!(tensor.chars().all(plain) && !["", ".", ".."].contains(&tensor), "{tensor}");
        assert!(shard.chars().all(plain) && !shard.starts_with('.'), "{shard}");
        assert!(shard.ends_with(".safetensors"), "{shard}");
        assert_eq!(index.shard_of(tensor), Some(shard));
    }
}

fn shards_are_those_of_the_map(index: &ShardIndex) {
    let mut shards: Vec<_> = index.weight_map().map(|(_, shard)| shard.to_owned()).collect();
    shards.sort();
    shards.dedup();
    assert_eq!(shards, index.shards());
    shards.iter_mut().for_each(|shard| shard.make_ascii_lowercase());
    shards.sort();
    assert!(shards.windows(2).all(|pair| pair[0] != pair[1]), "{shards:?}");
}

/// As a reader without suspicion has it.
#[derive(Deserialize)]
struct Trusting {
    #[serde(default)]
    metadata: TrustingMetadata,
    weight_map: BTreeMap<String, String>,
}

#[derive(Deserialize, Default)]
struct TrustingMetadata {
    total_size: Option<f64>,
}

fn serde_agrees(bytes: &[u8], index: &ShardIndex) {
    let theirs: Trusting = serde_json::from_slice(bytes).unwrap();
    let entries = theirs.weight_map.iter().map(|(tensor, shard)| (tensor.as_str(), shard.as_str()));
    assert!(index.weight_map().eq(entries));
    assert_eq!(index.total_size().map(|bytes| bytes as f64), theirs.metadata.total_size);
}
