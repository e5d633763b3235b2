//! Reading text token by token. In: a string. Out: tokens, or a [`ParseError`] with line and column. Knows no grammar
//! beyond names, numbers, strings and punctuation.

use std::fmt;

use thiserror::Error;

use super::{
    diagnostic::Mistake,
    dim::Dim,
    dtype::DType,
    shape::{Shape, Type},
};

/// Text that is not a graph, and where.
#[derive(Debug, Clone, PartialEq, Error)]
#[error("{line}:{column}: {problem}")]
pub struct ParseError {
    /// Line of the text, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// What is wrong there.
    pub problem: Problem,
}

/// What is wrong with a text.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum Problem {
    /// Something else should stand here.
    #[error("expected {expected}, found {found}")]
    Expected {
        /// What should stand here.
        expected: String,
        /// What does.
        found: String,
    },
    /// No primitive has this name.
    #[error("no operation is called `{0}`")]
    UnknownOperation(String),
    /// An operand that no earlier line defines.
    #[error("%{0} is not defined above")]
    UnknownNode(usize),
    /// Lines are numbered from 0 without gaps.
    #[error("expected the definition of %{expected}, found %{found}")]
    OutOfOrder {
        /// The number due.
        expected: usize,
        /// The number written.
        found: usize,
    },
    /// The operation with these operands is not well formed.
    #[error("{0}")]
    Mistake(Mistake),
    /// The type written is not the one that the operation gives.
    #[error("the type is written {declared}, but the operation gives {inferred}")]
    WrongType {
        /// The type written.
        declared: Type,
        /// The type that follows from operation and operands.
        inferred: Type,
    },
    /// A number that does not fit where it stands.
    #[error("`{0}` does not fit here")]
    Number(String),
    /// Too many or too few elements for the type.
    #[error("expected {expected} elements, found {found}")]
    Elements {
        /// How many the type has.
        expected: usize,
        /// How many are written.
        found: usize,
    },
    /// The abbreviated form cannot be read back.
    #[error("this array is abbreviated; print the graph in its exact form to read it back")]
    Abbreviated,
    /// Two results or two leaves of one name.
    #[error("the name {0:?} is taken above")]
    DuplicateName(String),
}

/// A place in a text.
#[derive(Debug, Clone)]
pub(crate) struct Cursor<'t> {
    text: &'t str,
    offset: usize,
}

impl<'t> Cursor<'t> {
    pub(crate) fn new(text: &'t str) -> Cursor<'t> {
        Cursor { text, offset: 0 }
    }

    /// Line and column, from 1.
    pub(crate) fn position(&self) -> (u32, u32) {
        let before = &self.text[..self.offset];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        (count(before.matches('\n').count() + 1), count(before[line_start..].chars().count() + 1))
    }

    pub(crate) fn error(&self, problem: Problem) -> ParseError {
        let (line, column) = self.position();
        ParseError { line, column, problem }
    }

    pub(crate) fn expected<T>(&self, expected: impl fmt::Display) -> Result<T, ParseError> {
        let found = match self.rest().chars().next() {
            None => "the end".to_string(),
            Some('\n') => "the end of the line".to_string(),
            Some(_) => {
                let word: String = self.rest().chars().take_while(|c| !c.is_whitespace()).take(20).collect();
                format!("`{word}`")
            }
        };
        Err(self.error(Problem::Expected { expected: expected.to_string(), found }))
    }

    fn rest(&self) -> &'t str {
        &self.text[self.offset..]
    }

    fn take_while(&mut self, accept: impl Fn(char) -> bool) -> &'t str {
        let rest = self.rest();
        let length = rest.find(|c| !accept(c)).unwrap_or(rest.len());
        self.offset += length;
        &rest[..length]
    }

    /// Spaces of one line.
    fn skip_spaces(&mut self) {
        self.take_while(|c| c == ' ' || c == '\t' || c == '\r');
    }

    /// Spaces, line ends and `#` comments.
    pub(crate) fn skip_blank(&mut self) {
        loop {
            self.take_while(char::is_whitespace);
            if !self.rest().starts_with('#') {
                return;
            }
            self.take_while(|c| c != '\n');
        }
    }

    pub(crate) fn is_at_end(&self) -> bool {
        self.rest().is_empty()
    }

    /// Takes `token` if it stands here.
    pub(crate) fn take(&mut self, token: &str) -> bool {
        self.skip_spaces();
        let found = self.rest().starts_with(token);
        if found {
            self.offset += token.len();
        }
        found
    }

    pub(crate) fn expect(&mut self, token: &str) -> Result<(), ParseError> {
        if self.take(token) { Ok(()) } else { self.expected(format_args!("`{token}`")) }
    }

    /// Nothing but spaces up to the end of the line.
    pub(crate) fn end_of_line(&mut self) -> Result<(), ParseError> {
        self.skip_spaces();
        match self.rest().chars().next() {
            None | Some('\n' | '#') => Ok(()),
            Some(_) => self.expected("the end of the line"),
        }
    }

    /// A name: a letter or `_`, then letters, digits and `_`.
    pub(crate) fn word(&mut self) -> Result<&'t str, ParseError> {
        self.skip_spaces();
        if !self.rest().starts_with(|c: char| c.is_alphabetic() || c == '_') {
            return self.expected("a name");
        }
        Ok(self.take_while(|c| c.is_alphanumeric() || c == '_'))
    }

    /// A quoted string with Rust's escapes `\"`, `\\`, `\n`, `\t`, `\r`, `\0`, `\'` and `\u{…}`.
    pub(crate) fn string(&mut self) -> Result<String, ParseError> {
        self.expect("\"")?;
        let mut string = String::new();
        loop {
            string.push_str(self.take_while(|c| c != '"' && c != '\\' && c != '\n'));
            if self.rest().starts_with('"') {
                self.offset += 1;
                return Ok(string);
            }
            if !self.rest().starts_with('\\') {
                return self.expected("`\"`");
            }
            string.push(self.escape()?);
        }
    }

    fn escape(&mut self) -> Result<char, ParseError> {
        let start = self.clone();
        self.offset += 1;
        let Some(kind) = self.rest().chars().next() else { return start.expected("an escape") };
        self.offset += kind.len_utf8();
        match kind {
            '"' | '\\' | '\'' => Ok(kind),
            'n' => Ok('\n'),
            't' => Ok('\t'),
            'r' => Ok('\r'),
            '0' => Ok('\0'),
            'u' if self.rest().starts_with('{') => {
                self.offset += 1;
                let digits = self.take_while(|c| c.is_ascii_hexdigit());
                let character = u32::from_str_radix(digits, 16).ok().and_then(char::from_u32);
                let closed = self.rest().starts_with('}');
                self.offset += usize::from(closed);
                character.filter(|_| closed).map_or_else(|| start.expected("a character's number"), Ok)
            }
            _ => start.expected("an escape"),
        }
    }

    /// A number of any kind, `inf` and `NaN` among them.
    pub(crate) fn number<T: std::str::FromStr>(&mut self) -> Result<T, ParseError> {
        self.skip_spaces();
        let start = self.clone();
        let mut is_first = true;
        let mut previous = ' ';
        let mut length = 0;
        for c in self.rest().chars() {
            let is_sign = matches!(c, '-' | '+') && (is_first || matches!(previous, 'e' | 'E'));
            if !(is_sign || c.is_ascii_alphanumeric() || c == '.') {
                break;
            }
            (is_first, previous) = (false, c);
            length += c.len_utf8();
        }
        if length == 0 {
            return self.expected("a number");
        }
        let digits = &self.rest()[..length];
        self.offset += length;
        digits.parse().map_err(|_| start.error(Problem::Number(digits.to_string())))
    }

    /// `[a, b, …]`.
    pub(crate) fn list<T>(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<T, ParseError>,
    ) -> Result<Vec<T>, ParseError> {
        self.expect("[")?;
        let mut items = Vec::new();
        if self.take("]") {
            return Ok(items);
        }
        loop {
            items.push(item(self)?);
            if self.take("]") {
                return Ok(items);
            }
            self.expect(",")?;
        }
    }

    /// A dim: terms of numbers, symbols and powers, as `2*batch^2 - 1`.
    pub(crate) fn dim(&mut self) -> Result<Dim, ParseError> {
        let mut sum = if self.take("-") { -self.product()? } else { self.product()? };
        loop {
            if self.take("+") {
                sum = sum + self.product()?;
            } else if self.take("-") {
                sum = sum - self.product()?;
            } else {
                return Ok(sum);
            }
        }
    }

    fn product(&mut self) -> Result<Dim, ParseError> {
        let mut product = self.factor()?;
        while self.take("*") {
            product = product * self.factor()?;
        }
        Ok(product)
    }

    fn factor(&mut self) -> Result<Dim, ParseError> {
        self.skip_spaces();
        if self.rest().starts_with(|c: char| c.is_ascii_digit()) {
            let start = self.clone();
            let digits = self.take_while(|c| c.is_ascii_digit());
            return digits.parse::<i64>().map(Dim::from).map_err(|_| start.error(Problem::Number(digits.to_string())));
        }
        let symbol = Dim::symbol(self.word()?);
        if !self.take("^") {
            return Ok(symbol);
        }
        let start = self.clone();
        let power: u32 = self.number()?;
        if power > 64 {
            return Err(start.error(Problem::Number(power.to_string())));
        }
        Ok(std::iter::repeat_n(symbol, power as usize).product())
    }

    /// A type: `f32[batch, 64]`.
    pub(crate) fn ty(&mut self) -> Result<Type, ParseError> {
        self.skip_spaces();
        let start = self.clone();
        let Some(dtype) = DType::from_name(self.word()?) else { return start.expected("a dtype") };
        let shape: Shape = self.list(Cursor::dim)?.into_iter().collect();
        Ok(Type::new(dtype, shape))
    }
}
