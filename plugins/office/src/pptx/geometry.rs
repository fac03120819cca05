//! Where a shape is on its slide. Lengths are EMU (914 400 to the inch), as in the file; regions are fractions of the
//! slide.

use docmill_plugin::Rect;

use crate::xml::Element;

const EMU_PER_POINT: f64 = 12_700.0;

/// Beyond any slide, and small enough to be exact in a float.
const FAR: i64 = 1 << 40;

/// Less of a slide than this is no place.
const LEAST: f32 = 1e-5;

/// A slide's size in EMU.
#[derive(Debug, Clone, Copy)]
pub struct Frame {
    width: f64,
    height: f64,
}

/// Where something is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Place {
    On(Rect),
    /// Beside the slide: who watches does not see it.
    Off,
    Unknown,
}

impl Place {
    /// The region, if it is on the slide.
    pub fn region(self) -> Option<Rect> {
        match self {
            Self::On(rect) => Some(rect),
            Self::Off | Self::Unknown => None,
        }
    }
}

impl Frame {
    /// None without an extent.
    pub fn new(width: i64, height: i64) -> Option<Self> {
        let possible = |side: i64| (1..FAR).contains(&side);
        (possible(width) && possible(height)).then_some(Self {
            width: width as f64,
            height: height as f64,
        })
    }

    /// Width and height in points.
    pub fn points(&self) -> (f32, f32) {
        (
            (self.width / EMU_PER_POINT) as f32,
            (self.height / EMU_PER_POINT) as f32,
        )
    }

    /// The upright rectangle around a part of a shape; `part`: left, top, right, bottom as fractions of the shape.
    pub fn place(&self, around: &Affine, shape: &Transform, part: [f64; 4]) -> Place {
        if shape.width <= 0.0 || shape.height <= 0.0 {
            return Place::Unknown;
        }
        let own = around.of(&shape.turned());
        let [left, top, right, bottom] = part;
        let corners = [(left, top), (right, top), (left, bottom), (right, bottom)]
            .map(|(x, y)| own.apply(shape.left + x * shape.width, shape.top + y * shape.height));
        let fold = |pick: fn(&(f64, f64)) -> f64, side: f64| {
            let values = corners.iter().map(pick).map(|value| value / side);
            let (least, most) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), value| {
                (least.min(value), most.max(value))
            });
            (least.clamp(0.0, 1.0) as f32, most.clamp(0.0, 1.0) as f32)
        };
        if corners.iter().any(|(x, y)| !x.is_finite() || !y.is_finite()) {
            return Place::Unknown;
        }
        let (left, right) = fold(|corner| corner.0, self.width);
        let (top, bottom) = fold(|corner| corner.1, self.height);
        if right - left < LEAST || bottom - top < LEAST {
            return Place::Off;
        }
        Place::On(Rect {
            left,
            top,
            right,
            bottom,
        })
    }
}

/// A shape's `xfrm`: its upright box, which is then mirrored and turned about its middle.
#[derive(Debug, Clone, Copy)]
pub struct Transform {
    left: f64,
    top: f64,
    width: f64,
    height: f64,
    /// Clockwise, in radians.
    angle: f64,
    flip_x: bool,
    flip_y: bool,
}

impl Transform {
    /// None without a place or an extent: the shape inherits them.
    pub fn read(xfrm: &Element) -> Option<Self> {
        let (off, ext) = (xfrm.child("off")?, xfrm.child("ext")?);
        let angle = xfrm.attr("rot").and_then(|angle| angle.parse::<i32>().ok());
        let flip = |name| matches!(xfrm.attr(name), Some("1" | "true" | "on"));
        Some(Self {
            left: length(off, "x")?,
            top: length(off, "y")?,
            width: length(ext, "cx")?,
            height: length(ext, "cy")?,
            angle: (f64::from(angle.unwrap_or(0)) / 60_000.0).to_radians(),
            flip_x: flip("flipH"),
            flip_y: flip("flipV"),
        })
    }

    fn turned(&self) -> Affine {
        let (x, y) = (self.left + self.width / 2.0, self.top + self.height / 2.0);
        let (sin, cos) = self.angle.sin_cos();
        let mirror = |flip| if flip { -1.0 } else { 1.0 };
        let (mx, my) = (mirror(self.flip_x), mirror(self.flip_y));
        let turn = Affine {
            xx: cos * mx,
            xy: -sin * my,
            yx: sin * mx,
            yy: cos * my,
            dx: x,
            dy: y,
        };
        turn.of(&Affine::shift(-x, -y))
    }
}

fn length(element: &Element, name: &str) -> Option<f64> {
    let value: i64 = element.attr(name)?.trim().parse().ok()?;
    Some(value.clamp(-FAR, FAR) as f64)
}

/// From the coordinates of a group to those of the slide.
#[derive(Debug, Clone, Copy)]
pub struct Affine {
    xx: f64,
    xy: f64,
    yx: f64,
    yy: f64,
    dx: f64,
    dy: f64,
}

impl Affine {
    /// The slide's own coordinates.
    pub const SLIDE: Self = Self {
        xx: 1.0,
        xy: 0.0,
        yx: 0.0,
        yy: 1.0,
        dx: 0.0,
        dy: 0.0,
    };

    fn shift(dx: f64, dy: f64) -> Self {
        Self {
            dx,
            dy,
            ..Self::SLIDE
        }
    }

    fn apply(&self, x: f64, y: f64) -> (f64, f64) {
        (
            self.xx * x + self.xy * y + self.dx,
            self.yx * x + self.yy * y + self.dy,
        )
    }

    /// First `inner`, then this.
    fn of(&self, inner: &Self) -> Self {
        let (dx, dy) = self.apply(inner.dx, inner.dy);
        Self {
            xx: self.xx * inner.xx + self.xy * inner.yx,
            xy: self.xx * inner.xy + self.xy * inner.yy,
            yx: self.yx * inner.xx + self.yy * inner.yx,
            yy: self.yx * inner.xy + self.yy * inner.yy,
            dx,
            dy,
        }
    }

    /// Inside a group with this `xfrm`, which says where the group is and in which coordinates its children are.
    pub fn group(&self, xfrm: &Element) -> Self {
        let Some(outer) = Transform::read(xfrm) else {
            return *self;
        };
        let child = |element: &str, name: &str| xfrm.child(element).and_then(|e| length(e, name));
        let (x, y) = (
            child("chOff", "x").unwrap_or(outer.left),
            child("chOff", "y").unwrap_or(outer.top),
        );
        let scale = |outer: f64, inner: Option<f64>| match inner {
            Some(inner) if inner > 0.0 && outer > 0.0 => outer / inner,
            _ => 1.0,
        };
        let sized = Self {
            xx: scale(outer.width, child("chExt", "cx")),
            yy: scale(outer.height, child("chExt", "cy")),
            ..Self::shift(outer.left, outer.top)
        };
        self.of(&outer.turned()).of(&sized).of(&Self::shift(-x, -y))
    }
}
