internal import Commands

await Outrigger.start()
