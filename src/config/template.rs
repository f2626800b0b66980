//! Templates: texts that are the same for every process but for its index and its name.
//!
//! Both stay open, so that a template is the same whatever `numprocs` says.

/// A text in which a process's index and name are still open.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Template {
    /// No two texts in a row, none empty: so equal templates are equal.
    pieces: Vec<Piece>,
    /// Bytes of text, what is open counting as one.
    length: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    Text(String),
    Index,
    Name,
}

impl Template {
    /// The text for the process with this index and name, such as 1 and `web:1`.
    pub fn expand(&self, index: u32, name: &str) -> String {
        let mut text = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(fixed) => text += fixed,
                Piece::Index => text += &index.to_string(),
                Piece::Name => text += name,
            }
        }
        text
    }

    /// The text, if it is the same for every process.
    pub fn as_plain(&self) -> Option<&str> {
        match self.pieces.as_slice() {
            [] => Some(""),
            [Piece::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// The text with a mark for what is open, which no text holds.
    pub(super) fn to_text(&self) -> String {
        let piece = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Index => "\0i".to_owned(),
            Piece::Name => "\0n".to_owned(),
        };
        self.pieces.iter().map(piece).collect()
    }

    /// The text before anything that is open.
    pub(super) fn beginning(&self) -> &str {
        match self.pieces.first() {
            Some(Piece::Text(text)) => text,
            Some(Piece::Index | Piece::Name) | None => "",
        }
    }

    /// Bytes of text, what is open counting as one.
    pub(super) fn len(&self) -> usize {
        self.length
    }

    pub(super) fn contains(&self, letter: char) -> bool {
        self.pieces.iter().any(|piece| matches!(piece, Piece::Text(text) if text.contains(letter)))
    }

    /// With this text in front.
    pub(super) fn after(self, text: &str) -> Template {
        let mut whole = Template::from(text);
        whole.append(self);
        whole
    }

    pub(super) fn append(&mut self, other: Template) {
        for piece in other.pieces {
            match piece {
                Piece::Text(text) => self.push_str(&text),
                Piece::Index | Piece::Name => self.push_open(piece),
            }
        }
    }

    pub(super) fn push_open(&mut self, piece: Piece) {
        self.add(piece);
        self.length += 1;
    }

    pub(super) fn push_str(&mut self, more: &str) {
        self.length += more.len();
        if let Some(Piece::Text(text)) = self.pieces.last_mut() {
            text.push_str(more);
        } else if !more.is_empty() {
            self.add(Piece::Text(more.to_owned()));
        }
    }

    /// Most templates are one piece, and there are many of them: no room is kept for more.
    fn add(&mut self, piece: Piece) {
        self.pieces.reserve_exact(1);
        self.pieces.push(piece);
    }
}

impl From<String> for Template {
    fn from(text: String) -> Template {
        let length = text.len();
        let pieces = if length == 0 { Vec::new() } else { vec![Piece::Text(text)] };
        Template { pieces, length }
    }
}

impl From<&str> for Template {
    fn from(text: &str) -> Template {
        Template::from(text.to_owned())
    }
}

impl From<Piece> for Template {
    fn from(piece: Piece) -> Template {
        let mut template = Template::default();
        match piece {
            Piece::Text(text) => template.push_str(&text),
            Piece::Index | Piece::Name => template.push_open(piece),
        }
        template
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_open_is_filled_in_for_each_process() {
        let mut template = Template::from("80");
        template.push_open(Piece::Index);
        template.push_str("/");
        template.push_open(Piece::Name);
        assert_eq!(template.expand(3, "web:3"), "803/web:3");
        assert_eq!((template.as_plain(), template.len()), (None, 5));
        assert_eq!(template.after("x").expand(0, "web"), "x800/web");
    }

    #[test]
    fn a_text_is_plain() {
        assert_eq!(Template::from("a").as_plain(), Some("a"));
        assert_eq!(Template::from("").as_plain(), Some(""));
        assert_eq!(Template::from("").after("a"), Template::from("a"));
    }
}
