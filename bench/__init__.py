"""Measures a server: how soon results come, how right they are, how many sessions it holds, what it uses.

The rooms, from the top to the bottom; a module imports only from its own room and from rooms below it
(a contract in `.importlinter` checks this):

- `command`, `command_accuracy`, `command_words`, `command_diarize`, `command_options`, `command_runner`:
  `dalston-rt bench`, its options, and its exit codes. A command checks the arguments and calls one scenario.
- `scenarios/`: one module for each subcommand, and `gpu_check` for `make gpu-check`. A scenario starts a
  server, runs the load, prints the tables and saves the result file.
- `report/`: turns results into tables for a terminal, charts, an HTML page, and the JSON file.
  `request` beside it holds what the user asked for, checked.
- `measure/`: runs one number of sessions, and turns what clients saw and what processes used into figures.
- `load/`: plays audio to a server as many clients do, or to the stages in this process on a simulated clock.
- `recordings/`: the recordings and sounds that are played, with what is said in them and when.
- `servers/`: starts the servers that are measured: a complete one, or one whose workers transcribe nothing.
- `extras`: checks that the libraries of `dalston-realtime[bench]` are installed.
"""
