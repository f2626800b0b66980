//! What the command line says.

use crate::doing::Result;
use crate::figures::FIGURES;

/// Which figures are taken, and how thoroughly.
#[derive(Debug)]
pub(crate) struct Args {
    /// Names of figures; none: all.
    names: Vec<String>,
    /// Fewer samples, smaller crowds.
    pub(crate) quick: bool,
}

impl Args {
    /// The words after `cargo bench --`.
    pub(crate) fn parse(words: &[String]) -> Result<Self> {
        let mut args = Self { names: Vec::new(), quick: false };
        for word in words {
            match word.as_str() {
                // Cargo's own.
                "--bench" => {}
                "--quick" => args.quick = true,
                name if FIGURES.iter().any(|figure| figure.name == name) => {
                    args.names.push(name.to_owned());
                }
                other => {
                    let names: Vec<&str> = FIGURES.iter().map(|figure| figure.name).collect();
                    let names = names.join(", ");
                    return Err(format!("{other}: no such figure; --quick, or one of {names}"));
                }
            }
        }
        Ok(args)
    }

    /// Whether this figure is wanted.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.names.is_empty() || self.names.iter().any(|wanted| wanted == name)
    }
}
