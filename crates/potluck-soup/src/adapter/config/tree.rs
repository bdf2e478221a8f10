//! A small JSON tree that keeps the order of keys, for texts that strangers wrote.
//!
//! Refuses a key that stands twice in one object and anything nested deeper than [`MAX_NESTING`]; its caller has
//! limited the length. The order matters: PEFT takes the *first* pattern of a `rank_pattern` that fits.

use std::collections::BTreeSet;

use crate::json::{Fault, Json};

/// How deep lists and objects may stand within one another, the outermost counted.
const MAX_NESTING: usize = 8;

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Tree {
    Null,
    Bool(bool),
    /// Written without fraction and exponent, and within 64 signed bits.
    Integer(i64),
    /// Any other number: the nearest binary64, which is finite.
    Real(f64),
    Text(String),
    List(Vec<Tree>),
    /// In the order of the text; no key twice.
    Object(Vec<(String, Tree)>),
}

impl Tree {
    /// Reads one value and nothing after it.
    pub(super) fn parse(text: &[u8]) -> Result<Self, Fault> {
        let mut json = Json::new(text)?;
        let value = value(&mut json, MAX_NESTING)?;
        if json.next().is_some() {
            Err(json.fault("something follows the value"))
        } else {
            Ok(value)
        }
    }

    /// Whether the value says nothing: null, false, or empty.
    pub(super) fn is_nothing(&self) -> bool {
        match self {
            Self::Null | Self::Bool(false) => true,
            Self::Text(text) => text.is_empty(),
            Self::List(items) => items.is_empty(),
            Self::Object(entries) => entries.is_empty(),
            Self::Bool(true) | Self::Integer(_) | Self::Real(_) => false,
        }
    }
}

/// Reads a value in which `depth` lists and objects may still open.
fn value(json: &mut Json<'_>, depth: usize) -> Result<Tree, Fault> {
    match json.next() {
        Some(b'{') => object(json, deeper(json, depth)?),
        Some(b'[') => list(json, deeper(json, depth)?),
        Some(b'"') => Ok(Tree::Text(json.string()?.into_owned())),
        Some(b'-' | b'0'..=b'9') => number(json),
        first => {
            json.skip()?;
            Ok(match first {
                Some(b't') => Tree::Bool(true),
                Some(b'f') => Tree::Bool(false),
                _ => Tree::Null,
            })
        }
    }
}

fn deeper(json: &Json<'_>, depth: usize) -> Result<usize, Fault> {
    depth.checked_sub(1).ok_or_else(|| json.fault("a value nests too deep"))
}

fn object(json: &mut Json<'_>, depth: usize) -> Result<Tree, Fault> {
    let (mut entries, mut seen) = (Vec::new(), BTreeSet::new());
    json.members(|json, key| {
        if !seen.insert(key.clone()) {
            return Err(json.fault("a key stands twice in one object"));
        }
        entries.push((key.into_owned(), value(json, depth)?));
        Ok(())
    })?;
    Ok(Tree::Object(entries))
}

fn list(json: &mut Json<'_>, depth: usize) -> Result<Tree, Fault> {
    let mut items = Vec::new();
    json.items(|json| {
        items.push(value(json, depth)?);
        Ok(())
    })?;
    Ok(Tree::List(items))
}

fn number(json: &mut Json<'_>) -> Result<Tree, Fault> {
    let text = json.number()?;
    if let Ok(integer) = text.parse() {
        return Ok(Tree::Integer(integer));
    }
    match text.parse() {
        Ok(real) if f64::is_finite(real) => Ok(Tree::Real(real)),
        _ => Err(json.fault("a number beyond binary64")),
    }
}
