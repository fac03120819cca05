//! Which fault comes next: decided by the seed alone.

use std::collections::BTreeMap;

use docmill_faults::POINTS;

/// What happens to a process, or around it, at a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// SIGKILL, and started again.
    Kill,
    /// SIGSTOP for longer than its lease.
    Stop,
    /// SIGTERM: it hands back what it has, and is started again.
    Drain,
    /// PostgreSQL is killed, as by a power failure, and started while the task waits at the point.
    Crash,
    /// PostgreSQL is stopped and started while the task waits at the point.
    Restart,
    /// All connections are cut while the task waits.
    Cut,
    /// No fault.
    Nothing,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Stop => "stop",
            Self::Drain => "drain",
            Self::Crash => "crash",
            Self::Restart => "restart",
            Self::Cut => "cut",
            Self::Nothing => "nothing",
        }
    }
}

/// One fault.
#[derive(Debug, Clone)]
pub struct Fault {
    pub point: &'static str,
    pub kind: Kind,
    /// Which of the processes that come to the point.
    pub victim: usize,
}

/// Faults in an order that the seed decides.
pub struct Plan {
    state: u64,
    round: Vec<&'static str>,
    hits: BTreeMap<&'static str, usize>,
    kinds: BTreeMap<&'static str, usize>,
}

impl Plan {
    pub fn new(seed: u64) -> Self {
        Self {
            // Never zero, in which xorshift stays.
            state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            round: Vec::new(),
            hits: POINTS.iter().map(|point| (*point, 0)).collect(),
            kinds: BTreeMap::new(),
        }
    }

    /// xorshift64* (Vigna 2016).
    fn random(&mut self) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        self.state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, most: usize) -> usize {
        usize::try_from(self.random() >> 33).unwrap_or(0) % most.max(1)
    }

    /// Every point once, in any order, then again.
    pub fn next_fault(&mut self) -> Fault {
        if self.round.is_empty() {
            let mut round = POINTS.to_vec();
            for last in (1..round.len()).rev() {
                let other = self.below(last + 1);
                round.swap(last, other);
            }
            self.round = round;
        }
        let Some(point) = self.round.pop() else {
            return Fault {
                point: "",
                kind: Kind::Nothing,
                victim: 0,
            };
        };
        let kind = match self.below(12) {
            0..=4 => Kind::Kill,
            5..=6 => Kind::Stop,
            7 => Kind::Drain,
            8 => Kind::Crash,
            9 => Kind::Restart,
            _ => Kind::Cut,
        };
        let victim = self.below(1000);
        Fault { point, kind, victim }
    }

    /// Nobody came to the point in time: it is tried again before the next round, with whatever victim comes next.
    pub fn missed_now(&mut self, fault: &Fault) {
        self.round.insert(0, fault.point);
    }

    pub fn hit(&mut self, fault: &Fault) {
        *self.hits.entry(fault.point).or_default() += 1;
        *self.kinds.entry(fault.kind.name()).or_default() += 1;
    }

    pub fn hits(&self) -> &BTreeMap<&'static str, usize> {
        &self.hits
    }

    pub fn kinds(&self) -> &BTreeMap<&'static str, usize> {
        &self.kinds
    }

    pub fn missed(&self) -> Vec<&'static str> {
        self.hits
            .iter()
            .filter(|(_, hits)| **hits == 0)
            .map(|(point, _)| *point)
            .collect()
    }
}
