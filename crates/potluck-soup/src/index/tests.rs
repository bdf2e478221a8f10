use std::io::Write as _;

use proptest::prelude::*;

use super::*;

const ONE: &str = "model-00001-of-00002.safetensors";
const TWO: &str = "model-00002-of-00002.safetensors";

fn refused(text: &str) -> String {
    ShardIndex::parse(text.as_bytes()).unwrap_err().to_string()
}

fn of_map(map: &str) -> String {
    format!(r#"{{"metadata":{{}},"weight_map":{{{map}}}}}"#)
}

#[test]
fn what_transformers_writes_is_read() {
    let text = format!(
        "{{\n  \"metadata\": {{\n    \"total_parameters\": 7,\n    \"total_size\": 14\n  }},\n  \
         \"weight_map\": {{\n    \"b\": \"{TWO}\",\n    \"a.x\": \"{ONE}\",\n    \"B\": \"{TWO}\"\n  }}\n}}\n"
    );
    let index = ShardIndex::parse(text.as_bytes()).unwrap();
    let entries: Vec<_> = index.weight_map().collect();
    assert_eq!(entries, [("B", TWO), ("a.x", ONE), ("b", TWO)]);
    assert_eq!(index.shards(), [ONE, TWO]);
    assert_eq!(index.total_size(), Some(14));
    assert_eq!((index.shard_of("a.x"), index.shard_of("c")), (Some(ONE), None));
}

#[test]
fn what_other_tools_write_is_read() {
    let total = |text: &str| ShardIndex::parse(text.as_bytes()).unwrap().total_size();
    let map = format!(r#""weight_map":{{"a":"{ONE}"}}"#);
    // mergekit; accelerate, which sums with fractions; and texts without metadata, or with more of it.
    let cases = [
        (
            format!(r#"{{"metadata": {{"mergekit_version": "0.1.5", "total_size": 8}}, {map}}}"#),
            Some(8),
        ),
        (format!(r#"{{"metadata": {{"mergekit_version": "0.0.4"}}, {map}}}"#), None),
        (format!(r#"{{"metadata":{{"total_size":28966928384.0}},{map}}}"#), Some(28_966_928_384)),
        (format!(r#"{{"metadata":{{"total_size":1e3}},{map}}}"#), Some(1000)),
        (format!(r#"{{{map},"metadata":{{"total_size":18446744073709551615}}}}"#), Some(u64::MAX)),
        (format!(r#"{{{map}}}"#), None),
        (format!(r#"{{"format":["pt",{{"v":[1.5,null]}}],{map},"x":true}}"#), None),
    ];
    for (text, expected) in cases {
        assert_eq!(total(&text), expected, "{text}");
    }
}

#[test]
fn the_text_is_what_transformers_writes() {
    let index = ShardIndex::new([("b", TWO), ("a", ONE)], Some(12)).unwrap();
    let text = format!(
        "{{\n  \"metadata\": {{\n    \"total_size\": 12\n  }},\n  \"weight_map\": {{\n    \"a\": \"{ONE}\",\n    \
         \"b\": \"{TWO}\"\n  }}\n}}\n"
    );
    assert_eq!(String::from_utf8(index.text()).unwrap(), text);
    assert_eq!(shard_name(1, 2), ONE);
    assert_eq!(shard_name(123_456, 123_456), "model-123456-of-123456.safetensors");
}

#[test]
fn keys_stand_once() {
    let one = format!(r#""a":"{ONE}""#);
    assert!(refused(&of_map(&format!(r#"{one},"b":"{ONE}",{one}"#))).contains("tensor a stands"));
    assert!(refused(&of_map(&format!(r#"{one},"\u0061":"{TWO}""#))).contains("tensor a stands"));
    let map = format!(r#""weight_map":{{{one}}}"#);
    for text in [
        format!("{{{map},{map}}}"),
        format!(r#"{{"metadata":{{}},{map},"metadata":{{}}}}"#),
        format!(r#"{{"metadata":{{"total_size":1,"total_size":1}},{map}}}"#),
        format!(r#"{{"metadata":{{"total_size":1,"total\u005fsize":1}},{map}}}"#),
        format!(r#"{{"x":1,{map},"x":1}}"#),
    ] {
        assert!(refused(&text).contains("stands twice"), "{text}");
    }
}

#[test]
fn the_json_is_strict() {
    let map = format!(r#""weight_map":{{"a":"{ONE}"}}"#);
    let cases = [
        (String::new(), "'{' expected"),
        ("[]".into(), "'{' expected"),
        ("{}".into(), "no weight_map"),
        (of_map(""), "no weight_map"),
        (format!("{{{map}}}x"), "something after"),
        (format!("\u{feff}{{{map}}}"), "'{' expected"),
        (format!("{{{map},}}"), "a string expected"),
        (format!("{{{map}"), "',' or '}' expected"),
        (r#"{"weight_map":[]}"#.into(), "'{' expected"),
        (r#"{"weight_map":null}"#.into(), "'{' expected"),
        (of_map(r#""a":1"#), "a string expected"),
        (of_map(r#""a":null"#), "a string expected"),
        (of_map(r#""a":{"b":"c"}"#), "a string expected"),
        (format!(r#"{{"metadata":null,{map}}}"#), "'{' expected"),
        (format!(r#"{{"metadata":{{"total_size":"8"}},{map}}}"#), "expected"),
        (format!(r#"{{"metadata":{{"total_size":-8}},{map}}}"#), "no number of bytes"),
        (format!(r#"{{"metadata":{{"total_size":8.5}},{map}}}"#), "no number of bytes"),
        (format!(r#"{{"metadata":{{"total_size":1e99}},{map}}}"#), "no number of bytes"),
        (format!(r#"{{"metadata":{{"total_size":1e9999}},{map}}}"#), "no number of bytes"),
        (format!(r#"{{"metadata":{{"total_size":18446744073709551616}},{map}}}"#), "no number of"),
        (format!(r#"{{"x":{}1{},{map}}}"#, "[".repeat(9999), "]".repeat(9999)), "too deep"),
    ];
    for (text, expected) in cases {
        let error = refused(&text);
        assert!(error.contains(expected), "{text}: {error}");
    }
    assert!(matches!(ShardIndex::parse(b"{\"\xff\":1}"), Err(IndexError::Json(_))));
}

#[test]
fn names_are_plain() {
    for shard in [
        "",
        ".safetensors",
        "../x.safetensors",
        "/x.safetensors",
        "a/x.safetensors",
        "a\\\\x.safetensors",
        ".x.safetensors",
        "x.bin",
        "x.safetensors.",
        "x.safetensors\\u0000",
        "é.safetensors",
        "x y.safetensors",
        "x.SAFETENSORS",
        &format!("{}.safetensors", "n".repeat(229)),
    ] {
        let error = refused(&of_map(&format!(r#""a":"{shard}""#)));
        assert!(error.contains("tensor a shall lie in"), "{shard}: {error}");
    }
    for tensor in ["", ".", "..", "a/b", "__metadata__ ", "é", &"n".repeat(257)] {
        let error = refused(&of_map(&format!(r#""{tensor}":"{ONE}""#)));
        assert!(error.contains("is refused"), "{tensor}: {error}");
    }
    let alike = of_map(r#""a":"x.safetensors","b":"X.safetensors""#);
    assert!(refused(&alike).contains("two shards are called 'x.safetensors'"));
    let base = "model.safetensors-00001-of-00002.safetensors";
    assert!(ShardIndex::new([("a", base)], None).is_ok());
}

#[test]
fn size_and_counts_are_bounded() {
    let file = tempfile::tempfile().unwrap();
    file.set_len(MAX_INDEX + 1).unwrap();
    assert!(matches!(ShardIndex::read(&file), Err(IndexError::TooLong(n)) if n == MAX_INDEX + 1));
    assert!(matches!(
        ShardIndex::parse(&vec![b' '; MAX_INDEX as usize + 1]),
        Err(IndexError::TooLong(_))
    ));

    let names: Vec<_> = (0..=MAX_INDEXED).map(|number| format!("{number:x}")).collect();
    let all =
        |count: usize| ShardIndex::new(names[..count].iter().map(|it| (it.as_str(), ONE)), None);
    assert_eq!(all(MAX_INDEXED).unwrap().weight_map().len(), MAX_INDEXED);
    assert!(matches!(all(MAX_INDEXED + 1), Err(IndexError::TooMany)));

    let shards: Vec<_> = (0..=MAX_SHARDS).map(|it| shard_name(it, MAX_SHARDS)).collect();
    let spread = |count: usize| {
        ShardIndex::new(
            names.iter().zip(&shards[..count]).map(|(a, b)| (a.as_str(), b.as_str())),
            None,
        )
    };
    assert_eq!(spread(MAX_SHARDS).unwrap().shards().len(), MAX_SHARDS);
    assert!(matches!(spread(MAX_SHARDS + 1), Err(IndexError::TooManyShards)));

    let keys: Vec<_> = (0..=MAX_KEYS).map(|key| format!(r#""{key}":0"#)).collect();
    assert!(refused(&format!("{{{}}}", keys.join(","))).contains("too many keys"));
}

#[test]
fn a_file_is_read_whole() {
    let index = ShardIndex::new([("a", ONE), ("b", TWO)], Some(3)).unwrap();
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&index.text()).unwrap();
    assert_eq!(ShardIndex::read(&file).unwrap(), index);
}

proptest! {
    #[test]
    fn texts_are_read_back(
        map in prop::collection::btree_map("[A-Za-z0-9_-][A-Za-z0-9._-]{0,20}", 0usize..5, 1..20),
        total_size: Option<u64>,
    ) {
        let shards: Vec<_> = (1..=5).map(|number| shard_name(number, 5)).collect();
        let entries = map.iter().map(|(tensor, shard)| (tensor.as_str(), shards[*shard].as_str()));
        let index = ShardIndex::new(entries.clone(), total_size).unwrap();
        prop_assert!(index.weight_map().eq(entries));
        prop_assert_eq!(ShardIndex::parse(&index.text()).unwrap(), index.clone());
        let theirs: serde_json::Value = serde_json::from_slice(&index.text()).unwrap();
        prop_assert_eq!(theirs["weight_map"].as_object().unwrap().len(), map.len());
        prop_assert_eq!(theirs["metadata"]["total_size"].as_u64(), total_size);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = ShardIndex::parse(&bytes);
    }
}
