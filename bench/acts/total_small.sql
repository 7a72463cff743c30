SELECT workorder.total('ticket_small', '{open,review}');
