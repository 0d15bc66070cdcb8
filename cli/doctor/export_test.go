package doctor

var Room = room
