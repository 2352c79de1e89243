"""Trio tasks that each tell one story: a call arrives, a command starts one, somebody is sought, two people talk.

serve ─────┐                        ┌─ ring      rings one person's devices
           ├─ life ─ seek ─ seeker ─┤
originate ─┘    │                   └─ seeker    waits, hears prompts, is joined to whoever answers
                └─ talk ─ transfer
"""
