//! Numbers for symbols, as `--size batch=32,time=100`.

use std::str::FromStr;

/// A number for a symbol.
#[derive(Debug, Clone)]
pub(crate) struct Size {
    pub(crate) symbol: String,
    pub(crate) number: i64,
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Size, String> {
        let size = text.split_once('=').and_then(|(symbol, number)| {
            Some(Size { symbol: symbol.to_owned(), number: number.parse().ok().filter(|number| *number >= 0)? })
        });
        size.ok_or_else(|| "a size is a name and a whole number, as in `batch=32`".to_owned())
    }
}

/// As programs take them.
pub(crate) fn pairs(sizes: &[Size]) -> impl Iterator<Item = (&str, i64)> {
    sizes.iter().map(|size| (size.symbol.as_str(), size.number))
}
