//! The ticks of legs that hear what we say ourselves.

use std::time::Duration;

use tandem_media::play::Spoken;

use super::event::MediaEventKind;
use super::shard::Shard;

impl Shard {
    /// Serves every tick that is due.
    pub(super) fn tick(&mut self) {
        let now_ms = self.at.as_millis() as u64;
        while let Some((due_ms, left_out)) = self.wheel.poll(now_ms) {
            self.counts.late_ticks += left_out as u64;
            let mut index = 0;
            while let Some(slot) = self.wheel.slot(due_ms, index) {
                self.take_in_hand(Some(slot));
                self.tick_leg(slot, Duration::from_millis(due_ms));
                // A leg that has nothing more to say leaves its place to another.
                index += usize::from(self.wheel.slot(due_ms, index) == Some(slot));
            }
            self.take_in_hand(None);
        }
    }

    pub(super) fn stop_ticking(&mut self, slot: u32) {
        if let Some(cold) = self.cold[slot as usize].as_mut()
            && let Some(row) = cold.tick.take()
        {
            self.wheel.remove(slot, row);
        }
    }

    fn tick_leg(&mut self, slot: u32, due: Duration) {
        let Some(cold) = self.cold[slot as usize].as_mut() else { return };
        let (leg, may_send) = (cold.leg, cold.destination().is_some());
        let Some(speaker) = cold.speaker.as_mut() else { return };
        let Spoken { packet_len, ended } = speaker.handle_tick(due, &mut self.buffer[..]);
        let (is_idle, is_playing) = (speaker.is_idle(), !speaker.is_pressing());
        if let Some((prompt, played_ms)) = ended {
            let prompt = prompt.name().to_owned();
            self.tell(leg, MediaEventKind::PlaybackEnded { prompt, played_ms });
        }
        // On hold a prompt goes on unheard.
        if let Some(len) = packet_len.filter(|_| may_send) {
            self.send_rtp(slot, len);
            if is_playing {
                self.report(slot);
            }
        }
        if is_idle {
            self.stop_ticking(slot);
        }
        self.allow_relay(slot);
    }
}
