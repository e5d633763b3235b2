//! Reading text token by token. In: the lines of a string. Out: tokens, or a [`ParseError`] with line and column. Knows
//! no grammar beyond names, numbers, strings, sizes and types.

use std::{fmt, ops::Mul, str::FromStr};

use super::error::{MAX_FACTORS, MAX_TERMS, ParseError, ParseErrorKind};
use crate::graph::{DType, Dim, Shape, Type};

/// Whether `text` is a letter or `_`, then letters, digits and `_`.
fn is_in_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn starts_word(c: char) -> bool {
    c.is_alphabetic() || c == '_'
}

/// Whether `name` can be written without quotes: words joined by dots, of which the first does not start with a digit.
pub(crate) fn is_path(name: &str) -> bool {
    name.starts_with(starts_word) && name.split('.').all(|part| !part.is_empty() && part.chars().all(is_in_word))
}

/// A place in one line of a text.
#[derive(Debug, Clone)]
pub(crate) struct Cursor<'t> {
    text: &'t str,
    offset: usize,
    line: u32,
}

impl<'t> Cursor<'t> {
    /// The start of each line.
    pub(crate) fn lines(text: &'t str) -> impl Iterator<Item = Cursor<'t>> {
        let line = |position: usize| u32::try_from(position + 1).unwrap_or(u32::MAX);
        text.split('\n').enumerate().map(move |(position, text)| Cursor { text, offset: 0, line: line(position) })
    }

    /// Line and column of the token here, from 1.
    pub(crate) fn position(&self) -> (u32, u32) {
        let mut lookahead = self.clone();
        lookahead.skip_spaces();
        let column = lookahead.text[..lookahead.offset].chars().count() + 1;
        (self.line, u32::try_from(column).unwrap_or(u32::MAX))
    }

    /// The problem with the token here.
    pub(crate) fn error(&self, kind: ParseErrorKind) -> ParseError {
        let (line, column) = self.position();
        ParseError { line, column, kind: Box::new(kind) }
    }

    /// The error that another token stands here.
    pub(crate) fn expected<T>(&self, expected: impl fmt::Display) -> Result<T, ParseError> {
        let mut lookahead = self.clone();
        lookahead.skip_spaces();
        let found = match lookahead.rest().chars().next() {
            None | Some('#') => "the end of the line".to_string(),
            Some(first) if is_in_word(first) => {
                format!("`{}`", lookahead.take_while(is_in_word).chars().take(20).collect::<String>())
            }
            Some(first) => format!("`{first}`"),
        };
        Err(self.error(ParseErrorKind::Expected { expected: expected.to_string(), found }))
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

    /// Whether nothing but spaces and a comment is left.
    pub(crate) fn is_blank(&self) -> bool {
        let mut lookahead = self.clone();
        lookahead.skip_spaces();
        matches!(lookahead.rest().chars().next(), None | Some('#'))
    }

    /// Whether `token` stands here.
    pub(crate) fn is_at(&self, token: &str) -> bool {
        self.clone().take(token)
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

    /// Nothing but spaces and a comment up to the end of the line.
    pub(crate) fn end_of_line(&self) -> Result<(), ParseError> {
        if self.is_blank() { Ok(()) } else { self.expected("the end of the line") }
    }

    /// A name: a letter or `_`, then letters, digits and `_`.
    pub(crate) fn word(&mut self) -> Result<&'t str, ParseError> {
        self.skip_spaces();
        if !self.rest().starts_with(starts_word) {
            return self.expected("a name");
        }
        Ok(self.take_while(is_in_word))
    }

    /// Words joined by dots, or a quoted string.
    pub(crate) fn path(&mut self) -> Result<String, ParseError> {
        if self.is_at("\"") {
            return self.string();
        }
        let start = self.clone();
        self.skip_spaces();
        let name = self.take_while(|c| is_in_word(c) || c == '.');
        if is_path(name) { Ok(name.to_string()) } else { start.expected("a name") }
    }

    /// The number of a node: `%` and digits.
    pub(crate) fn node_number(&mut self) -> Result<usize, ParseError> {
        let start = self.clone();
        self.expect("%").or_else(|_| start.expected("the number of a node"))?;
        let Some(digits) = self.digits() else { return start.expected("the number of a node") };
        digits.parse().map_err(|_| start.error(ParseErrorKind::Number(digits.to_string())))
    }

    /// Digits without a sign, if there are any.
    fn digits(&mut self) -> Option<&'t str> {
        self.skip_spaces();
        Some(self.take_while(|c| c.is_ascii_digit())).filter(|digits| !digits.is_empty())
    }

    /// A count, size or axis; inference bounds it.
    pub(crate) fn count(&mut self) -> Result<usize, ParseError> {
        self.number()
    }

    /// A quoted string with Rust's escapes `\"`, `\\`, `\n`, `\t`, `\r`, `\0`, `\'` and `\u{…}`.
    pub(crate) fn string(&mut self) -> Result<String, ParseError> {
        self.expect("\"")?;
        let mut string = String::new();
        loop {
            string.push_str(self.take_while(|c| c != '"' && c != '\\'));
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
    pub(crate) fn number<T: FromStr>(&mut self) -> Result<T, ParseError> {
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
        digits.parse().map_err(|_| start.error(ParseErrorKind::Number(digits.to_string())))
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
            self.expect(",").or_else(|_| self.expected("`,` or `]`"))?;
        }
    }

    /// A dim: terms of numbers, symbols and powers, as `2*batch^2 - 1`.
    pub(crate) fn dim(&mut self) -> Result<Dim, ParseError> {
        self.polynomial(&mut 1)
    }

    /// A dim, whose number of terms multiplies into `terms`.
    fn polynomial(&mut self, terms: &mut usize) -> Result<Dim, ParseError> {
        let start = self.clone();
        let mut own = Vec::new();
        let mut sign = if self.take("-") { "-" } else { "" };
        loop {
            own.push(self.product(sign)?);
            if own.len() * *terms > MAX_TERMS {
                return Err(start.error(ParseErrorKind::LargePolynomial));
            }
            sign = match (self.take("+"), self.take("-")) {
                (true, _) => "",
                (false, true) => "-",
                (false, false) => break,
            };
        }
        *terms *= own.len();
        Ok(own.into_iter().sum())
    }

    /// Factors with a sign, which goes into the first number: the least integer has no positive counterpart.
    fn product(&mut self, mut sign: &str) -> Result<Dim, ParseError> {
        let start = self.clone();
        let mut product = Dim::from(1);
        let mut symbols = 0;
        loop {
            if let Some(digits) = self.digits() {
                let number: Result<i64, _> = format!("{sign}{digits}").parse();
                product = product * number.map_err(|_| start.error(ParseErrorKind::Number(digits.to_string())))?;
                sign = "";
            } else {
                let (symbol, power) = self.power()?;
                symbols += power;
                if symbols > MAX_FACTORS {
                    return Err(start.error(ParseErrorKind::LargePolynomial));
                }
                product = std::iter::repeat_n(symbol, power as usize).fold(product, Dim::mul);
            }
            if !self.take("*") {
                return Ok(if sign == "-" { -product } else { product });
            }
        }
    }

    fn power(&mut self) -> Result<(Dim, u32), ParseError> {
        let start = self.clone();
        let symbol = Dim::symbol(self.word().or_else(|_| start.expected("a size"))?);
        if !self.take("^") {
            return Ok((symbol, 1));
        }
        let start = self.clone();
        let Some(digits) = self.digits() else { return start.expected("an exponent") };
        match digits.parse() {
            Ok(power) if power <= MAX_FACTORS => Ok((symbol, power)),
            _ => Err(start.error(ParseErrorKind::LargePolynomial)),
        }
    }

    /// A type: `f32[batch, 64]`.
    pub(crate) fn ty(&mut self) -> Result<Type, ParseError> {
        let start = self.clone();
        let dtype = self.word().ok().and_then(DType::from_name);
        let Some(dtype) = dtype else { return start.expected("f32, f64, i64 or bool") };
        let mut terms = 1;
        let shape: Shape = self.list(|cursor| cursor.polynomial(&mut terms))?.into_iter().collect();
        Ok(Type::new(dtype, shape))
    }
}
