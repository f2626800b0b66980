//! Templates: texts that are the same for every process but for its index and its name.
//!
//! Both stay open, so that a template is the same whatever `numprocs` says. There may be tens of
//! thousands, nearly all of them plain texts, which therefore take no more than a text does; one is
//! put together as a [`Draft`].

/// A text in which a process's index and name are still open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Form);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Form {
    Plain(Box<str>),
    /// Something in it is open.
    Open(Box<Draft>),
}

/// A template that is being put together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Draft {
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
        let draft = match &self.0 {
            Form::Plain(text) => return text.to_string(),
            Form::Open(draft) => draft,
        };
        let mut text = String::new();
        for piece in &draft.pieces {
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
        match &self.0 {
            Form::Plain(text) => Some(text),
            Form::Open(_) => None,
        }
    }

    /// The text with a mark for what is open, which no text holds.
    pub(super) fn to_text(&self) -> String {
        let piece = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Index => "\0i".to_owned(),
            Piece::Name => "\0n".to_owned(),
        };
        match &self.0 {
            Form::Plain(text) => text.to_string(),
            Form::Open(draft) => draft.pieces.iter().map(piece).collect(),
        }
    }

    /// The text before anything that is open.
    pub(super) fn beginning(&self) -> &str {
        match &self.0 {
            Form::Plain(text) => text,
            Form::Open(draft) => match draft.pieces.first() {
                Some(Piece::Text(text)) => text,
                Some(Piece::Index | Piece::Name) | None => "",
            },
        }
    }

    /// Bytes of text, what is open counting as one.
    pub(super) fn len(&self) -> usize {
        match &self.0 {
            Form::Plain(text) => text.len(),
            Form::Open(draft) => draft.length,
        }
    }

    /// With this text in front.
    pub(super) fn after(self, text: &str) -> Template {
        let mut whole = Draft::default();
        whole.push_str(text);
        whole.append(self);
        whole.finish()
    }
}

impl Draft {
    /// Bytes of text, what is open counting as one.
    pub(super) fn len(&self) -> usize {
        self.length
    }

    pub(super) fn append(&mut self, other: Template) {
        match other.0 {
            Form::Plain(text) => self.push_str(&text),
            Form::Open(draft) => draft.pieces.into_iter().for_each(|piece| self.push(piece)),
        }
    }

    pub(super) fn push(&mut self, piece: Piece) {
        match piece {
            Piece::Text(text) => self.push_str(&text),
            Piece::Index | Piece::Name => {
                self.pieces.push(piece);
                self.length += 1;
            }
        }
    }

    pub(super) fn push_str(&mut self, more: &str) {
        self.length += more.len();
        if let Some(Piece::Text(text)) = self.pieces.last_mut() {
            text.push_str(more);
        } else if !more.is_empty() {
            self.pieces.push(Piece::Text(more.to_owned()));
        }
    }

    pub(super) fn contains(&self, letter: char) -> bool {
        self.pieces.iter().any(|piece| matches!(piece, Piece::Text(text) if text.contains(letter)))
    }

    pub(super) fn finish(mut self) -> Template {
        match self.pieces.as_mut_slice() {
            [] => Template::default(),
            [Piece::Text(text)] => Template::from(std::mem::take(text)),
            _ => {
                self.pieces.shrink_to_fit();
                Template(Form::Open(Box::new(self)))
            }
        }
    }
}

impl Default for Template {
    fn default() -> Template {
        Template::from("")
    }
}

impl From<String> for Template {
    fn from(text: String) -> Template {
        Template(Form::Plain(text.into_boxed_str()))
    }
}

impl From<&str> for Template {
    fn from(text: &str) -> Template {
        Template(Form::Plain(text.into()))
    }
}

impl From<Piece> for Template {
    fn from(piece: Piece) -> Template {
        let mut draft = Draft::default();
        draft.push(piece);
        draft.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_open_is_filled_in_for_each_process() {
        let mut draft = Draft::default();
        draft.push_str("80");
        draft.push(Piece::Index);
        draft.push_str("/");
        draft.push(Piece::Name);
        let template = draft.finish();
        assert_eq!(template.expand(3, "web:3"), "803/web:3");
        assert_eq!((template.as_plain(), template.len()), (None, 5));
        assert_eq!(template.after("x").expand(0, "web"), "x800/web");
    }

    #[test]
    fn there_may_be_many() {
        assert_eq!(size_of::<Template>(), size_of::<Box<str>>());
    }

    #[test]
    fn a_text_is_plain() {
        assert_eq!(Template::from("a").as_plain(), Some("a"));
        assert_eq!(Template::from("").as_plain(), Some(""));
        assert_eq!(Template::from("").after("a"), Template::from("a"));
    }
}
