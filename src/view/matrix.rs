//! A table of numbers in coloured cells. In: names of rows and columns, and a text and a shade of each cell. Out: a drawing, as large
//! as its cells need.

use plotters::{
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

use super::draw::{Area, Drawn, FONT, SCALE, TEXT, TITLE, shortened};

/// Names are shortened to so many letters.
const LETTERS: usize = 18;

/// Pixels of a letter, roughly: of the digits and letters of sans-serif fonts at the size of names.
const LETTER: i32 = 7;

/// Pixels around everything, and those of the line of a title.
const MARGIN: i32 = 16;
const LINE: i32 = 28;

/// Cells whose shade is above this have white letters.
const DARK: f64 = 0.55;

/// A matrix with names.
#[derive(Debug, Clone)]
pub(super) struct Matrix {
    pub(super) title: String,
    /// What rows and columns are.
    pub(super) axes: [String; 2],
    pub(super) names: Vec<String>,
    /// Row by row.
    pub(super) cells: Vec<Cell>,
}

/// One cell.
#[derive(Debug, Clone)]
pub(super) struct Cell {
    /// Two lines, the second smaller.
    pub(super) lines: [String; 2],
    /// From 0, white, to 1, blue; grey if there is none.
    pub(super) shade: Option<f64>,
}

impl Matrix {
    /// Pixels of one cell: fewer, the more there are, and none of its text where it would not be read.
    fn cell(&self) -> i32 {
        match self.names.len() {
            0..=6 => 72,
            7..=12 => 54,
            13..=25 => 40,
            _ => 18,
        }
    }

    /// The size of letters in cells, as much as the longest text leaves, and whether there is room for the second line.
    fn letters(&self) -> Option<(i32, bool)> {
        let n_letters = self.cells.iter().map(|cell| cell.lines[0].chars().count()).max().unwrap_or(1).max(1) as i32;
        let size = ((self.cell() - 6) * 10 / (6 * n_letters)).min(TEXT / SCALE);
        (size >= 9 && self.cell() >= 40).then_some((size, self.cell() >= 54))
    }

    fn name(&self, position: usize) -> String {
        shortened(&self.names[position], LETTERS)
    }

    /// Pixels of the longest name.
    fn name_width(&self) -> i32 {
        let longest = (0..self.names.len()).map(|position| self.name(position).chars().count()).max();
        longest.unwrap_or(0) as i32 * LETTER
    }

    /// Whether names of columns are written upwards.
    fn is_upright(&self) -> bool {
        self.name_width() > self.cell() - 4
    }

    /// Pixels before the first column and above the first row.
    fn origin(&self) -> [i32; 2] {
        [MARGIN + LINE + self.name_width() + 8, MARGIN + 2 * LINE - 8]
    }

    /// Pixels of the whole: the title needs some too.
    pub(super) fn size(&self) -> [u32; 2] {
        let [left, top] = self.origin();
        let side = self.cell() * self.names.len() as i32;
        let below = 8 + if self.is_upright() { self.name_width() } else { LINE - 8 } + LINE;
        let title = self.title.chars().count() as i32 * (LETTER + 1) + 2 * MARGIN;
        [(left + side + MARGIN).max(title), top + side + below + MARGIN].map(|pixels| pixels as u32)
    }

    pub(super) fn draw<'a>(&self, area: &Area<'a>) -> Drawn<'a> {
        let (cell, [left, top]) = (self.cell(), self.origin());
        let (n, middle) = (self.names.len() as i32, |position: i32| position * cell + cell / 2);
        let side = cell * n;
        let write = |text: &str, [x, y]: [i32; 2], size: i32, turn: FontTransform, h: HPos, v: VPos| {
            let font = (FONT, size * SCALE).into_font().transform(turn);
            let style = TextStyle::from(font).pos(Pos::new(h, v));
            area.draw(&Text::new(text.to_owned(), (x * SCALE, y * SCALE), style))
        };
        let (flat, upwards) = (FontTransform::None, FontTransform::Rotate270);
        let size = TEXT / SCALE;
        write(&self.title, [MARGIN, MARGIN], TITLE / SCALE, flat.clone(), HPos::Left, VPos::Top)?;
        let [rows, columns] = &self.axes;
        write(rows, [MARGIN, top + side / 2], size, upwards.clone(), HPos::Center, VPos::Top)?;
        for (position, row) in (0..n).zip(self.cells.chunks(self.names.len().max(1))) {
            let name = self.name(position as usize);
            write(&name, [left - 8, top + middle(position)], size, flat.clone(), HPos::Right, VPos::Center)?;
            let place = [left + middle(position), top + side + 8];
            if self.is_upright() {
                write(&name, place, size, upwards.clone(), HPos::Right, VPos::Center)?;
            } else {
                write(&name, place, size, flat.clone(), HPos::Center, VPos::Top)?;
            }
            for (column, content) in (0..n).zip(row) {
                self.draw_cell(area, [left + column * cell, top + position * cell], content)?;
            }
        }
        let below = top + side + 8 + if self.is_upright() { self.name_width() } else { LINE - 8 };
        write(columns, [left + side / 2, below + 4], size, flat, HPos::Center, VPos::Top)
    }

    fn draw_cell<'a>(&self, area: &Area<'a>, [x, y]: [i32; 2], content: &Cell) -> Drawn<'a> {
        let cell = self.cell();
        let corners = [(x * SCALE, y * SCALE), ((x + cell) * SCALE, (y + cell) * SCALE)];
        area.draw(&Rectangle::new(corners, shade(content.shade).filled()))?;
        area.draw(&Rectangle::new(corners, BLACK.mix(0.25).stroke_width(SCALE as u32)))?;
        let Some((size, has_second)) = self.letters() else { return Ok(()) };
        let colour = if content.shade.is_some_and(|shade| shade > DARK) { WHITE } else { BLACK };
        let write = |text: &str, y: i32, size: i32| {
            let style = TextStyle::from((FONT, size * SCALE).into_font()).pos(Pos::new(HPos::Center, VPos::Center));
            area.draw(&Text::new(text.to_owned(), ((x + cell / 2) * SCALE, y * SCALE), style.color(&colour)))
        };
        if !has_second || content.lines[1].is_empty() {
            return write(&content.lines[0], y + cell / 2, size);
        }
        write(&content.lines[0], y + cell / 2 - 8, size)?;
        write(&content.lines[1], y + cell / 2 + 10, 11)
    }
}

/// From white to blue.
fn shade(part: Option<f64>) -> RGBColor {
    let Some(part) = part else { return RGBColor(225, 225, 225) };
    let mix = |from: f64, to: f64| (from + (to - from) * part.clamp(0.0, 1.0)).round() as u8;
    RGBColor(mix(255.0, 8.0), mix(255.0, 81.0), mix(255.0, 156.0))
}
