//! The two passes over a YAML document, as serde visitors: its shape, then its text.
//!
//! Only the first can tell `null` from `"null"`, and only the second sees `022` and
//! `1.50` as they are written. Both count a key and its value as a node each, before
//! what is within them.

use super::tree::{Entry, Node, Value};
use serde::de::{DeserializeSeed, EnumAccess, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;
use std::slice;

/// Nodes that a document may have once its aliases are written out.
const MAX_NODES: usize = 2_000_000;
/// Bytes of text that a document may have once its aliases are written out.
const MAX_TEXT: usize = 64 << 20;
pub(super) const TOO_MUCH: &str = "is too large once its aliases are written out";

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Null,
    Scalar,
    List,
    Map,
}

/// The first pass: the kinds of all nodes, in the order of their numbers.
#[derive(Default)]
pub(super) struct Shape {
    kinds: Vec<Kind>,
    bytes: usize,
    /// The node to fail at, and what to say then.
    fail_at: Option<(usize, &'static str)>,
    /// Why it failed, when that was not serde_yaml's doing.
    pub(super) refusal: Option<&'static str>,
}

impl Shape {
    pub(super) fn failing_at(node: usize, why: &'static str) -> Shape {
        Shape { fail_at: Some((node, why)), ..Shape::default() }
    }

    fn node<E: Error>(&mut self, kind: Kind) -> Result<(), E> {
        if let Some((node, why)) = self.fail_at
            && node == self.kinds.len()
        {
            return self.refuse(why);
        }
        if self.kinds.len() == MAX_NODES {
            return self.refuse(TOO_MUCH);
        }
        self.kinds.push(kind);
        Ok(())
    }

    fn refuse<E: Error>(&mut self, why: &'static str) -> Result<(), E> {
        self.refusal = Some(why);
        Err(E::custom(why))
    }
}

impl<'de> DeserializeSeed<'de> for &mut Shape {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for &mut Shape {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        self.node(Kind::Scalar)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        self.node(Kind::Scalar)
    }

    fn visit_i128<E: Error>(self, _: i128) -> Result<(), E> {
        self.node(Kind::Scalar)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        self.node(Kind::Scalar)
    }

    fn visit_u128<E: Error>(self, _: u128) -> Result<(), E> {
        self.node(Kind::Scalar)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        self.node(Kind::Scalar)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.bytes += text.len();
        if self.bytes > MAX_TEXT { self.refuse(TOO_MUCH) } else { self.node(Kind::Scalar) }
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.node(Kind::Null)
    }

    fn visit_none<E: Error>(self) -> Result<(), E> {
        self.node(Kind::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        self.node(Kind::List)?;
        while items.next_element_seed(&mut *self)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        self.node(Kind::Map)?;
        while entries.next_key_seed(&mut *self)?.is_some() {
            entries.next_value_seed(&mut *self)?;
        }
        Ok(())
    }

    fn visit_enum<A: EnumAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        self.refuse("a tag (`!...`) means nothing here: remove it, or quote the value")
    }
}

/// The second pass: the nodes themselves.
pub(super) struct Build<'s> {
    kinds: slice::Iter<'s, Kind>,
    next: u32,
    bytes: usize,
}

impl<'s> Build<'s> {
    /// Builds what has this shape, its root to have the number `first`.
    pub(super) fn new(shape: &'s Shape, first: u32) -> Build<'s> {
        Build { kinds: shape.kinds.iter(), next: first, bytes: 0 }
    }

    fn node<'de, D>(&mut self, from: D, is_key: bool) -> Result<Node, D::Error>
    where
        D: serde::Deserializer<'de>,
    {
        let id = self.next;
        self.next += 1;
        let value = match self.kinds.next() {
            Some(Kind::List) => from.deserialize_seq(&mut *self)?,
            Some(Kind::Map) => from.deserialize_map(&mut *self)?,
            Some(Kind::Null) if !is_key => {
                from.deserialize_ignored_any(IgnoredAny)?;
                Value::Null
            }
            Some(Kind::Null | Kind::Scalar) | None => from.deserialize_str(&mut *self)?,
        };
        Ok(Node { id, end: self.next, value })
    }
}

impl<'de> DeserializeSeed<'de> for &mut Build<'_> {
    type Value = Node;

    fn deserialize<D: serde::Deserializer<'de>>(self, from: D) -> Result<Node, D::Error> {
        self.node(from, false)
    }
}

struct BuildKey<'b, 's>(&'b mut Build<'s>);

impl<'de> DeserializeSeed<'de> for BuildKey<'_, '_> {
    type Value = Node;

    fn deserialize<D: serde::Deserializer<'de>>(self, from: D) -> Result<Node, D::Error> {
        self.0.node(from, true)
    }
}

impl<'de> Visitor<'de> for &mut Build<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        self.bytes += text.len();
        if self.bytes > MAX_TEXT {
            return Err(E::custom(TOO_MUCH));
        }
        Ok(Value::Scalar(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = from.next_element_seed(&mut *self)? {
            items.push(item);
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = from.next_key_seed(BuildKey(&mut *self))? {
            let value = from.next_value_seed(&mut *self)?;
            entries.push(Entry { key, value });
        }
        Ok(Value::Map(entries))
    }
}
