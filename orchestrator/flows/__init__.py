"""Trio tasks that each tell one story: a call arrives, a command starts one, somebody is sought, two people talk.

   serve ─┐                          ┌─ ring       rings one person's devices
          ├─ live ─ seek ─ follow ───┤
originate ┘    │                     └─ announce   plays prompts and terminals
               └─ talk ─ transfer
"""
