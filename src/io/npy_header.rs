//! The header of an npy file: a dictionary of Python with three entries. In: its bytes. Out: the type, order and shape that it
//! says. It reads such a dictionary and no other Python.

use super::npy::NpyError;

/// What the header of a file says.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) kind: Kind,
    pub(super) is_big_endian: bool,
    pub(super) order: Order,
    pub(super) shape: Vec<usize>,
}

/// A type of elements.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Bool,
    F16,
    F32,
    F64,
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
}

/// Which axis is the one along which elements are neighbours.
#[derive(Debug, Clone, Copy)]
pub(super) enum Order {
    /// The last.
    RowMajor,
    /// The first.
    ColumnMajor,
}

impl Kind {
    /// Bytes of an element.
    pub(super) fn size(self) -> usize {
        match self {
            Kind::Bool | Kind::I8 | Kind::U8 => 1,
            Kind::F16 | Kind::I16 | Kind::U16 => 2,
            Kind::F32 | Kind::I32 | Kind::U32 => 4,
            Kind::F64 | Kind::I64 | Kind::U64 => 8,
        }
    }

    /// By what follows the byte order.
    fn from_name(name: &str) -> Option<Kind> {
        Some(match name {
            "b1" => Kind::Bool,
            "f2" => Kind::F16,
            "f4" => Kind::F32,
            "f8" => Kind::F64,
            "i1" => Kind::I8,
            "i2" => Kind::I16,
            "i4" => Kind::I32,
            "i8" => Kind::I64,
            "u1" => Kind::U8,
            "u2" => Kind::U16,
            "u4" => Kind::U32,
            "u8" => Kind::U64,
            _ => return None,
        })
    }
}

impl Header {
    /// The header of this text.
    pub(super) fn parse(text: &[u8]) -> Result<Header, NpyError> {
        let mut scanner = Scanner { text, offset: 0 };
        let (mut descr, mut order, mut shape) = (None, None, None);
        scanner.expect(b'{')?;
        while !scanner.take(b'}') {
            let at_key = scanner.offset;
            let key = scanner.string()?;
            scanner.expect(b':')?;
            match key.as_str() {
                "descr" => descr = Some(scanner.descr()?),
                "fortran_order" => order = Some(scanner.order()?),
                "shape" => shape = Some(scanner.shape()?),
                _ => return Err(NpyError::malformed(at_key, format!("a header has no entry {key:?}"))),
            }
            if !scanner.take(b',') {
                scanner.expect(b'}')?;
                break;
            }
        }
        scanner.skip_spaces();
        if scanner.offset < text.len() {
            return scanner.expected("the end of the header");
        }
        let missing = |name: &str| NpyError::malformed(scanner.offset, format!("the header has no entry {name:?}"));
        let (kind, is_big_endian) = descr.ok_or_else(|| missing("descr"))?;
        let order = order.ok_or_else(|| missing("fortran_order"))?;
        let shape = shape.ok_or_else(|| missing("shape"))?;
        Ok(Header { kind, is_big_endian, order, shape })
    }
}

/// A place in the text of a header.
struct Scanner<'t> {
    text: &'t [u8],
    offset: usize,
}

impl Scanner<'_> {
    fn skip_spaces(&mut self) {
        while self.text.get(self.offset).is_some_and(u8::is_ascii_whitespace) {
            self.offset += 1;
        }
    }

    /// Takes a byte behind spaces, if it is this one.
    fn take(&mut self, byte: u8) -> bool {
        self.skip_spaces();
        let found = self.text.get(self.offset) == Some(&byte);
        self.offset += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8) -> Result<(), NpyError> {
        if self.take(byte) { Ok(()) } else { self.expected(&format!("`{}`", char::from(byte))) }
    }

    fn expected<T>(&self, expected: &str) -> Result<T, NpyError> {
        let found =
            self.text.get(self.offset).map_or("the end".to_owned(), |byte| format!("`{}`", byte.escape_ascii()));
        Err(NpyError::malformed(self.offset, format!("the header must have {expected} here, not {found}")))
    }

    /// Letters, digits and `_`.
    fn word(&mut self) -> &str {
        self.skip_spaces();
        let start = self.offset;
        while self.text.get(self.offset).is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_') {
            self.offset += 1;
        }
        str::from_utf8(&self.text[start..self.offset]).expect("invariant: it is ASCII")
    }

    /// A quoted text without escapes: no entry and no type needs one.
    fn string(&mut self) -> Result<String, NpyError> {
        let quote = if self.take(b'\'') {
            b'\''
        } else if self.take(b'"') {
            b'"'
        } else {
            return self.expected("a quoted text");
        };
        let rest = &self.text[self.offset..];
        let Some(length) = rest.iter().position(|byte| *byte == quote) else {
            self.offset = self.text.len();
            return self.expected("a closing quote");
        };
        self.offset += length + 1;
        Ok(String::from_utf8_lossy(&rest[..length]).into_owned())
    }

    /// The type of elements, and whether their bytes begin with the most significant.
    fn descr(&mut self) -> Result<(Kind, bool), NpyError> {
        if self.take(b'[') {
            return Err(NpyError::UnknownType { dtype: "records of several fields".to_owned() });
        }
        let descr = self.string()?;
        let (order, name) = descr.split_at_checked(1).unwrap_or_default();
        match (order, Kind::from_name(name)) {
            ("<" | "|", Some(kind)) => Ok((kind, false)),
            (">", Some(kind)) => Ok((kind, true)),
            _ => Err(NpyError::UnknownType { dtype: type_name(&descr, name) }),
        }
    }

    fn order(&mut self) -> Result<Order, NpyError> {
        self.skip_spaces();
        let start = self.offset;
        match self.word() {
            "False" => Ok(Order::RowMajor),
            "True" => Ok(Order::ColumnMajor),
            _ => {
                self.offset = start;
                self.expected("True or False")
            }
        }
    }

    /// A tuple of sizes.
    fn shape(&mut self) -> Result<Vec<usize>, NpyError> {
        self.expect(b'(')?;
        let mut shape = Vec::new();
        while !self.take(b')') {
            self.skip_spaces();
            let start = self.offset;
            // Python 2 wrote `L` behind long integers.
            match self.word().trim_end_matches('L').parse() {
                Ok(size) => shape.push(size),
                Err(_) => {
                    self.offset = start;
                    return self.expected("a size");
                }
            }
            if !self.take(b',') {
                self.expect(b')')?;
                break;
            }
        }
        Ok(shape)
    }
}

/// A type that is not read, in words where it is one that NumPy often has.
fn type_name(descr: &str, name: &str) -> String {
    let words = match name.chars().next() {
        Some('c') => "complex numbers",
        Some('U' | 'S' | 'a') => "texts",
        Some('O') => "objects of Python",
        Some('M' | 'm') => "times",
        _ => return format!("type '{descr}'"),
    };
    format!("{words} ('{descr}')")
}
